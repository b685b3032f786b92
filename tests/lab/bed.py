"""The network that a situation plays in.

    client --- gateway --- isp --- internet

Every address looks public, none is used outside. The client has a public address ("hosted") or sits
behind the gateway's address translation ("home"). One bed serves many situations: reset() puts
everything back.
"""

import contextlib

from namespaces import Namespace

# Who has which address, IPv4 and IPv6.
CLIENT = ("85.10.240.20", "2a01:4f8:a0:1::20")
CLIENT_GATEWAY = ("85.10.240.17", "2a01:4f8:a0:1::1")
HOME_CLIENT = ("192.168.1.100", "2003:e0:1::100")
HOME_GATEWAY = ("192.168.1.1", "2003:e0:1::1")
GATEWAY = ("84.150.10.22", "2a01:4f8:0:1::2")      # the home's public address as well
ISP = ("84.150.10.21", "2a01:4f8:0:1::1")
ISP_UPLINK = ("80.81.192.1", "2001:7f8::1")
INTERNET = ("80.81.192.2", "2001:7f8::2")
RESOLVER = "84.150.53.53"                           # the provider's, in isp
RESOLVER6 = "2a01:4f8:0:53::53"
METADATA = ("169.254.169.254", "169.254.42.42", "100.100.100.200", "169.254.0.23")

# Hops from the client: a packet's TTL must be as large to get there.
HOP = {"client": 0, "gateway": 1, "isp": 2, "internet": 3}

CHAINS = """
table inet lab {
    chain output { type filter hook output priority 0;
    }
    chain input { type filter hook input priority 0;
    }
    chain forward { type filter hook forward priority 0;
    }
    chain prerouting { type filter hook prerouting priority -200;
    }
}
table inet translate {
    chain output { type nat hook output priority -100;
    }
    chain prerouting { type nat hook prerouting priority -100;
    }
    chain postrouting { type nat hook postrouting priority 100;
    }
}
"""


class Bed:
    def __init__(self):
        self.client = Namespace("client")
        self.gateway = Namespace("gateway")
        self.isp = Namespace("isp")
        self.internet = Namespace("internet")
        self.all = (self.client, self.gateway, self.isp, self.internet)
        self._cable()
        self._address_routers()
        self._route()
        self.plan = "hosted"
        self.dirty_client = True
        self.reset()

    def _cable(self):
        self.client.link("eth0", self.gateway, "lan")
        self.gateway.link("wan", self.isp, "customers")
        self.isp.link("uplink", self.internet, "isp")
        for namespace in self.all:
            namespace.sysctl(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0)
        for namespace in self.all[1:]:
            namespace.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        # A router that has rejected much answers nothing for a while: true to life, and of no use.
        for namespace in self.all:
            with contextlib.suppress(OSError):
                namespace.sysctl(ipv4__icmp_ratelimit=0, ipv6__icmp__ratelimit=0)

    def _address_routers(self):
        self.gateway.ip(
            "link set lan up", "link set wan up",
            f"addr add {CLIENT_GATEWAY[0]}/28 dev lan", f"addr add {HOME_GATEWAY[0]}/24 dev lan",
            f"addr add {CLIENT_GATEWAY[1]}/64 dev lan nodad",
            f"addr add {HOME_GATEWAY[1]}/64 dev lan nodad",
            f"addr add {GATEWAY[0]}/30 dev wan", f"addr add {GATEWAY[1]}/64 dev wan nodad",
            *(f"addr add {address}/32 dev lo" for address in METADATA))
        self.isp.ip(
            "link set customers up", "link set uplink up",
            f"addr add {ISP[0]}/30 dev customers", f"addr add {ISP[1]}/64 dev customers nodad",
            f"addr add {ISP_UPLINK[0]}/30 dev uplink",
            f"addr add {ISP_UPLINK[1]}/64 dev uplink nodad", f"addr add {RESOLVER}/32 dev lo",
            f"addr add {RESOLVER6}/128 dev lo nodad")
        self.internet.ip(
            "link set isp up", f"addr add {INTERNET[0]}/30 dev isp",
            f"addr add {INTERNET[1]}/64 dev isp nodad")

    def _route(self):
        self.gateway.ip(f"route add default via {ISP[0]}", f"route add default via {ISP[1]}")
        self.isp.ip(
            f"route add default via {INTERNET[0]}", f"route add default via {INTERNET[1]}",
            f"route add 85.10.240.16/28 via {GATEWAY[0]}",
            f"route add 2a01:4f8:a0:1::/64 via {GATEWAY[1]}",
            f"route add 2003:e0:1::/64 via {GATEWAY[1]}")
        self.internet.ip(
            f"route add 84.150.0.0/16 via {ISP_UPLINK[0]}",
            f"route add 85.10.240.16/28 via {ISP_UPLINK[0]}",
            f"route add 2a01:4f8::/32 via {ISP_UPLINK[1]}",
            f"route add 2003:e0:1::/64 via {ISP_UPLINK[1]}")

    def give_internet(self, addresses):
        """Adds server addresses to the internet."""
        self.internet.ip(*(f"addr add {a}/{128 if ':' in a else 32} dev lo"
                           + (" nodad" if ":" in a else "") for a in addresses))

    # --- what a situation changes ----------------------------------------------------------------

    def reset(self):
        for namespace in self.all:
            # Nobody answers at the metadata addresses unless the situation's cloud does.
            more = "" if namespace is not self.gateway else (
                "add rule inet translate postrouting oifname wan ip saddr 192.168.1.0/24 "
                "masquerade\nadd rule inet lab prerouting ip daddr { "
                + ", ".join(METADATA) + " } drop\n")
            namespace.nft("flush ruleset\n" + CHAINS + more)
        if self.dirty_client:
            self.place_client(self.plan)
            self.dirty_client = False
        elif self.plan != "hosted":
            self.place_client("hosted")

    def place_client(self, plan, families=("ipv4", "ipv6")):
        """Gives the client its addresses and default routes anew."""
        mine, gateway, bits = (CLIENT, CLIENT_GATEWAY, 28) if plan == "hosted" else \
            (HOME_CLIENT, HOME_GATEWAY, 24)
        self.client.command(["sh", "-c", "ip link set lo up; ip addr flush dev eth0; "
                             "ip route flush table main; ip -6 route flush table main; "
                             "ip rule flush; ip rule add table main pref 32766; "
                             "ip rule add table default pref 32767; "
                             "ip -6 rule flush; ip -6 rule add table main pref 32766; "
                             "ip link set eth0 down; ip link set eth0 up"], check=False)
        lines = []
        if "ipv4" in families:
            lines += [f"addr add {mine[0]}/{bits} dev eth0", f"route add default via {gateway[0]}"]
        if "ipv6" in families:
            lines += [f"addr add {mine[1]}/64 dev eth0 nodad",
                      f"route add default via {gateway[1]}"]
        if lines:
            self.client.ip(*lines)
        self.plan = plan
        self.dirty_client = tuple(families) != ("ipv4", "ipv6")

    def add_rule(self, where, chain, rule, table="lab"):
        getattr(self, where).nft(f"add rule inet {table} {chain} {rule}\n")

    def allow_metadata(self):
        self.gateway.nft("flush chain inet lab prerouting\n")
