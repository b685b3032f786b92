/* The least that a server with relay's libraries can do: it greets. What its start takes is the
 * linker's time and the kernel's. */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char** words) {
    const int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (count != 2) return 2;
    address.sin_port = htons((unsigned short)atoi(words[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0) return 1;
    if (listen(listener, 10) != 0) return 1;
    for (;;) {
        const int client = accept(listener, NULL, NULL);
        if (client < 0) return 1;
        if (write(client, "220 ready\r\n", 11) < 0) return 1;
        close(client);
    }
}
