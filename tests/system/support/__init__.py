"""What the system tests share: the relay, private mail servers, clients, and waiting."""
