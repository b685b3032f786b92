"""Who the network belongs to: every cloud of config/data/clouds.toml by its own marks, with the
ports shut that it shuts; containers; access providers by the names they give to addresses."""

from bed import CLIENT, GATEWAY
from setups import (block, cover, dmi, environment, file, home, metadata,
                    reverse_name_is)
from situation import Expected, Situation, by_nobody
from world import data

CLOUDS = {cloud["id"]: cloud for cloud in data("clouds")["cloud"]}

# Marks that several rows share: the row that a reader of them must come to.
_SAME_MARKS = {"aws-lightsail": "aws-ec2"}


def _name_pattern(identifier):
    """The name of the cloud, up to what distinguishes its products."""
    return CLOUDS[_SAME_MARKS.get(identifier, identifier)]["name"].split(" (")[0].split(" /")[0]


def _value(key, text):
    """A DMI value that fits: {"sys_vendor_contains": "Tencent"} and the like."""
    for suffix, shape in (("_prefix", "{}0a1b2c3d4e5f"), ("_contains", "The {} Cloud")):
        if key.endswith(suffix):
            return key.removesuffix(suffix), shape.format(text)
    return key, text


def _by_dmi(marks):
    return dmi(**dict(_value(key, text) for key, text in marks.items()))


_ALL = ("nobody", "root")


def _readers(marks):
    """Who may read these files of /sys/class/dmi/id."""
    secret = any(key.startswith(("product_serial", "product_uuid")) for key in marks)
    return ("root",) if secret else _ALL


def _marks(cloud):
    """[(label, actions, who sees it)] for each mark that can be set up."""
    detect = cloud.get("detect", {})
    for number, marks in enumerate(detect.get("dmi_any", [])):
        yield f"dmi-{number + 1}", (_by_dmi(marks),), _readers(marks)
    if "dmi" in detect:
        yield "dmi", (_by_dmi(detect["dmi"]),), _readers(detect["dmi"])
    if "metadata" in detect:
        yield "metadata", (metadata(cloud["id"]),), _ALL
    for name in detect.get("env", []):
        yield f"env-{name.lower().replace('_', '-')}", (environment(**{name: "lab"}),), _ALL
    if "kernel_cmdline" in detect:
        yield "cmdline", (cover("/proc/cmdline",
                                f"BOOT_IMAGE=/vmlinuz ro {detect['kernel_cmdline']}\n"),), _ALL
    if "file" in detect:
        yield "file", (file(detect["file"]),), _ALL
    for suffix in detect.get("ptr_suffix", []):
        yield f"ptr-{suffix.replace('.', '-')}", (
            reverse_name_is("vps-20-240-10-85." + suffix, CLIENT[0]),), _ALL


def _verdict(blocked):
    """What shutting these ports comes to."""
    if {25, 465, 587} <= set(blocked):
        return "submission-blocked"
    return "outbound-25-dropped"


def _expected(cloud, ports):
    weak = cloud["detect"].get("weak") and cloud["id"] not in _SAME_MARKS
    own = CLOUDS[_SAME_MARKS.get(cloud["id"], cloud["id"])]
    # The port to advise: the first of the cloud's own that is open here.
    usable = [p for p in own["relay_ports"] if p not in ports]
    return Expected(
        _verdict(ports), leaves=False,
        # A weak mark is a hint and no proof.
        kind=("cloud", "unknown", "isp") if weak else "cloud",
        name=None if weak else _name_pattern(cloud["id"]),
        platform=None if weak else _name_pattern(cloud["id"]), confidence=("certain", "likely"),
        config=rf"port = ({'|'.join(map(str, usable))})\b" if usable else None,
        no_fix=rf"port = ({'|'.join(map(str, sorted(ports)))})\b")


def _situations_of(cloud):
    ports = sorted(set(cloud["blocked"]) | {25})
    for number, (label, actions, users) in enumerate(_marks(cloud)):
        # Each cloud by its first mark every day, as an ordinary user.
        yield Situation(f"cloud-{cloud['id']}-{label}", (*actions, block("isp", tuple(ports))),
                        _expected(cloud, ports), users=users,
                        everyday=users[:1] if number == 0 else ())


_CLOUDS = [s for cloud in CLOUDS.values() for s in _situations_of(cloud)]

_POLICIES = [
    Situation("cloud-open-all-the-same", (_by_dmi({"sys_vendor": "Hetzner"}),),
              Expected("ok-direct", leaves=True, platform="Hetzner")),
    Situation("cloud-never-lifts", (_by_dmi({"product_name": "Google Compute Engine"}),
                                    block("isp")),
              Expected("outbound-25-dropped", kind="cloud", name="Google",
                       fix="it does so for nobody", no_fix="never lifts")),
    Situation("cloud-lifts-by-form", (_by_dmi({"sys_vendor": "Amazon EC2"}), block("isp")),
              Expected("outbound-25-dropped", kind="cloud", name="Amazon EC2",
                       fix=r"ec2-port-25-throttle")),
    # The box that names itself is nearer than the cloud's table.
    Situation("cloud-behind-a-router-that-rejects",
              (home, _by_dmi({"sys_vendor": "Amazon EC2"}),
               block("gateway", how="reject with icmpx type admin-prohibited")),
              Expected("outbound-25-rejected", kind="gateway", hop=1, platform="Amazon EC2",
                       findings=("outbound-25-rejected",))),
    Situation("cloud-with-more-shut-than-it-shuts",
              (_by_dmi({"sys_vendor": "Amazon EC2"}), block("isp", (25, 465))),
              Expected("outbound-25-dropped", kind="cloud", findings=("outbound-25-dropped",))),
    Situation("cloud-with-local-firewall", (_by_dmi({"chassis_asset_tag": "OracleCloud.com"}),
                                            block("client", chain="output")),
              Expected("local-firewall", kind="local-firewall", hop=0, platform="Oracle"),
              everyday=("nobody", "root")),
    Situation("plain-hyper-v-is-no-azure", (_by_dmi({"sys_vendor": "Microsoft Corporation"}),
                                            block("isp")),
              Expected("outbound-25-dropped", kind=("isp", "unknown", "gateway"))),
    Situation("qemu-is-no-cloud", (_by_dmi({"sys_vendor": "QEMU",
                                            "product_name": "Standard PC (Q35 + ICH9, 2009)"}),
                                   block("isp")),
              Expected("outbound-25-dropped", kind=("isp", "unknown", "gateway"))),
]

_CONTAINERS = [
    Situation("docker-host-drops", (home, file("/.dockerenv"), block("gateway")),
              Expected("outbound-25-dropped", kind="container", hop=1, leaves=False,
                       platform="[Dd]ocker|container")),
    Situation("docker-provider-drops", (home, file("/.dockerenv"), block("isp")),
              Expected("outbound-25-dropped", kind=("isp", "unknown"), hop=2, leaves=False)),
    Situation("docker-local", (home, file("/.dockerenv"), block("client", chain="output")),
              Expected("local-firewall", kind="local-firewall", hop=0, leaves=False,
                       platform="[Dd]ocker", name="this container", summary="This container itself",
                       fix=("out of this container", "nsenter"),
                       no_fix="sudo relay diagnose to see|systemctl cat UNIT",
                       checks={"local-firewall": "fail"}),
              root={"name": "tcp dport", "fix": ("out of this container", "This is the rule")}),
    Situation("kubernetes-policy-drops",
              (home, environment(KUBERNETES_SERVICE_HOST="10.96.0.1"),
               block("gateway", chain="prerouting")),
              Expected("outbound-25-dropped", kind="container", hop=0, leaves=False,
                       fix="NetworkPolicy|network policy|egress")),
]


def _residential(name, ptr, pattern, **more):
    return Situation(f"isp-{name}", (home, reverse_name_is(ptr, GATEWAY[0]), block("isp")),
                     Expected("outbound-25-dropped", kind="isp", name=pattern, hop=2, hops=3,
                              leaves=False, public=GATEWAY[0], fix="587|465",
                              config=r"\[smarthost\]", **more))


_PROVIDERS = [
    _residential("deutsche-telekom", "p54960a16.dip0.t-ipconnect.de", "Deutsche Telekom"),
    _residential("comcast", "c-84-150-10-22.hsd1.ca.comcast.net", "Comcast"),
    _residential("verizon", "pool-84-150-10-22.nycmny.fios.verizon.net", "Verizon"),
    _residential("orange", "lfbn-idf1-1-22-10.w84-150.abo.wanadoo.fr", "Orange"),
    _residential("unlisted", "84-150-10-22.dyn.cable.smallnet.example", None),
    Situation("isp-static-name-is-not-residential",
              (home, reverse_name_is("mail.office.example", GATEWAY[0]), block("isp")),
              Expected("outbound-25-dropped", kind=("unknown", "isp"), hop=2)),
]

SITUATIONS = by_nobody(_POLICIES + _CONTAINERS + _PROVIDERS + _CLOUDS)
