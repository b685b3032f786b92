"""The situations, as data, by group. Each group is one entry of CTest."""

from . import clouds, interception, names, ports, recipients, smarthosts

GROUPS = {
    "ports": ports.SITUATIONS,
    "names": names.SITUATIONS + interception.SITUATIONS,
    "clouds": clouds.SITUATIONS,
    "smarthosts": smarthosts.SITUATIONS,
    "recipients": recipients.SITUATIONS,
}
