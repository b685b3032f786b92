"""The vocabulary of situations: each function gives one action on the stage."""

from bed import CLIENT, GATEWAY, HOME_CLIENT
from bpf import Cgroup
from names import reverse_name
from world import BLOCK_LISTS, PORTAL_PORT, PROXY_PORT, data


# --- filters ---------------------------------------------------------------------------------------

def rule(where, chain, text):
    """An nftables rule in `where` ("client", "gateway", "isp", "internet")."""
    return lambda stage: stage.bed.add_rule(where, chain, text)


def _ports(ports):
    ports = (ports,) if isinstance(ports, int) else ports
    return "tcp dport { " + ", ".join(map(str, ports)) + " }"


def block(where, ports=25, how="drop", chain="forward", match=""):
    """Stops these ports there: how is "drop" or an nft reject statement."""
    return rule(where, chain, f"{match} {_ports(ports)} counter {how}")


def only_mail_ports(*open_ports, where="isp"):
    """Of TCP everything is dropped but these ports and plain web."""
    ports = ", ".join(map(str, (53, 80, *open_ports)))
    return rule(where, "forward", f"iifname customers tcp dport != {{ {ports} }} drop")


def redirect(kind, where="isp", ports=25, match=""):
    """A box there takes connections to these ports over; the kinds are Proxy's."""
    def action(stage):
        (stage.world.proxy if where == "isp" else stage.world.gateway_proxy).kind = kind
        incoming = "customers" if where == "isp" else "lan"
        stage.bed.add_rule(where, "prerouting", f"iifname {incoming} {match} {_ports(ports)} "
                           f"redirect to :{PROXY_PORT}", table="translate")
    return action


def redirected_here(stage):
    """The client's own rule leads port 25 to its own mail server, as cPanel and CSF do."""
    stage.bed.add_rule("client", "output", "tcp dport 25 redirect to :25", table="translate")


def led_back(stage):
    """The home router's forwarding of port 25 lacks its interface: it takes what goes out as well."""
    stage.bed.add_rule("gateway", "prerouting", f"meta nfproto ipv4 tcp dport 25 dnat ip to "
                       f"{HOME_CLIENT[0]}", table="translate")
    stage.bed.add_rule("gateway", "postrouting", "oifname lan ip saddr 192.168.1.0/24 masquerade",
                       table="translate")
    stage.bed.add_rule("gateway", "forward", "meta nfproto ipv6 tcp dport 25 drop")


def cgroup(how):
    """relay runs in a control group that stops port 25: "drop"s its packets or "deny"s connects."""
    def action(stage):
        group = Cgroup(how)
        stage.host.cgroup = group.folder
        stage.cleanups.append(group.close)
    return action


# --- the client's own network ------------------------------------------------------------------------

def home(stage):
    """The client is behind a home router with address translation."""
    stage.bed.place_client("home")


def client_ip(*lines):
    """`ip` commands on the client, undone by placing it anew."""
    def action(stage):
        stage.bed.dirty_client = True
        for line in lines:
            stage.bed.client.command(["ip", *line.split()])
    return action


def only_family(family):
    return lambda stage: stage.bed.place_client("hosted", (family,))


def no_network(stage):
    stage.bed.place_client("hosted", ())


def reverse_name_is(name, address=GATEWAY[0]):
    """The PTR of a public address, without a way back unless it is a client's."""
    def action(stage):
        stage.world.zone.put(reverse_name(address), "PTR", *([name] if name else []))
        if name:
            stage.world.zone.put(name, "A", address)
    return action


# --- who the machine is ------------------------------------------------------------------------------

def dmi(**values):
    return lambda stage: stage.host.set_dmi(**values)


def environment(**values):
    return lambda stage: stage.host.environment.update(values)


def file(path, text=""):
    return lambda stage: stage.host.write(path.lstrip("/"), text)


def cover(path, text):
    """Other content for a file that exists and cannot be written."""
    return lambda stage: stage.host.cover(path, text)


def metadata(cloud_id, public_ip=CLIENT[0]):
    cloud = next(c for c in data("clouds")["cloud"] if c["id"] == cloud_id)
    return lambda stage: stage.world.start_metadata(cloud, public_ip)


# --- names -------------------------------------------------------------------------------------------

def name_server(mode):
    def action(stage):
        stage.world.names.mode = mode
    return action


def record(name, kind, *values):
    return lambda stage: stage.world.zone.put(name, kind, *values)


def every_block_list(answer):
    """Every list gives this answer, to its own test entry as well."""
    def action(stage):
        for name in BLOCK_LISTS:
            stage.world.zone.put("2.0.0.127." + name, "A", answer)
            stage.world.zone.put(".".join(reversed(CLIENT[0].split("."))) + "." + name, "A", answer)
    return action


def name_servers(*addresses, options=""):
    """What stands in the client's resolv.conf."""
    lines = [f"nameserver {address}\n" for address in addresses]
    text = "".join(lines) + (f"options {options}\n" if options else "")
    return lambda stage: stage.host.write("etc/resolv.conf", text)


DEAD_RESOLVER = "84.150.53.99"   # what is sent there is lost


def dead_resolver(stage):
    stage.bed.add_rule("isp", "prerouting", f"ip daddr {DEAD_RESOLVER} drop")


def no_name(name):
    return lambda stage: stage.world.zone.remove(name)


def failing_name(name):
    return lambda stage: stage.world.names.failing.add(name)


# --- servers -----------------------------------------------------------------------------------------

def replies(host, port=None, **stages):
    """What a mail server says at a stage instead of the usual."""
    return lambda stage: stage.world.set_replies(host, port, **stages)


def server(host, port=None, **changes):
    """Changes a mail server's persona."""
    return lambda stage: stage.world.change(host, port, **changes)


def every_exchanger(**stages):
    def action(stage):
        for operator in stage.world.operators.values():
            for host in operator["mx"]:
                stage.world.set_replies(host, 25, **stages)
    return action


def exchangers_by_family(family, **stages):
    """As every_exchanger, for clients of one family (4 or 6)."""
    def action(stage):
        for operator in stage.world.operators.values():
            for host in operator["mx"]:
                stage.world.change(host, 25, families={family: stages})
    return action


def operator_replies(identifier, **stages):
    """What one operator's exchangers say; the operator should be one of those that are asked."""
    def action(stage):
        for host in stage.world.operators[identifier]["mx"]:
            stage.world.set_replies(host, 25, **stages)
    return action


def every_certificate(kind):
    """The certificate of each operator's exchangers gets a fault, as certificate() has them."""
    def action(stage):
        for operator in stage.world.operators.values():
            for host in operator["mx"]:
                stage.world.change(host, 25, context=stage.world.faulty_context(host, kind))
    return action


def operator_down(identifier):
    """One operator's exchangers answer nothing on 25."""
    def action(stage):
        for host in stage.world.operators[identifier]["mx"]:
            for address in stage.world.addresses_of(host):
                family = "ip6" if ":" in address else "ip"
                stage.bed.add_rule("internet", "prerouting",
                                   f"{family} daddr {address} tcp dport 25 drop")
    return action


def host_blocked(host, ports, how="drop", where="isp", families=("ip", "ip6")):
    def action(stage):
        for address in stage.world.addresses_of(host):
            family = "ip6" if ":" in address else "ip"
            if family not in families:
                continue
            stage.bed.add_rule(where, "forward", f"{family} daddr {address} {_ports(ports)} {how}")
    return action


def certificate(host, kind):
    """A mail server's certificate gets a fault: "expired", "other-name", "foreign" (an authority
    nobody trusts), "self-signed"."""
    return lambda stage: stage.world.change(host, context=stage.world.faulty_context(host, kind))


def captive_portal(stage):
    """Web requests end up at a login page, everything else beyond the gateway is dropped."""
    stage.bed.add_rule("gateway", "prerouting", "iifname lan tcp dport 80 "
                       f"redirect to :{PORTAL_PORT}", table="translate")
    stage.bed.add_rule("gateway", "forward", "iifname lan udp dport 53 accept")
    stage.bed.add_rule("gateway", "forward", "iifname lan tcp dport 53 accept")
    stage.bed.add_rule("gateway", "forward", "iifname lan drop")


# --- the client as a server --------------------------------------------------------------------------

def listening(address, port=25, greeting=b"220 mail.client.example ESMTP\r\n", behind_proxy=False):
    """Something on the client answers there; it greets and knows QUIT."""
    def action(stage):
        stop = stage.world.serve_in_client(address, port, greeting, behind_proxy)
        stage.cleanups.append(stop)
    return action


def vantage(stage):
    """`relay vantage` runs at vantage.example, out in the internet."""
    stage.cleanups.append(stage.start_vantage())


VANTAGE = ("--vantage", "http://vantage.example:2580/#0123456789abcdef0123456789abcdef")


def forwarded(port=25):
    """The home router passes connections to its own address on to the client."""
    def action(stage):
        stage.bed.add_rule("gateway", "prerouting", f"iifname wan ip daddr {GATEWAY[0]} tcp dport "
                           f"{port} dnat ip to {HOME_CLIENT[0]}", table="translate")
    return action
