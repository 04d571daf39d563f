"""Two to four machines with RDMA adapters on one network, for measurements with eos-rdma.

Instructions:
When the experiment is ready, run on your own machine, in a checkout of eos-rdma:

    scripts/cloudlab/run USER@HOST1 USER@HOST2 ...

with the host names of the experiment's list view. Node 0 is home, the others are peers.
"""

import geni.portal as portal
import geni.rspec.pg as pg

# All x86-64 with adapters that do RoCE.
NODE_TYPES = [
    ("xl170", "xl170: 10 cores, 64 GB, ConnectX-4 25 Gbit/s (Utah)"),
    ("c6525-25g", "c6525-25g: 16 cores, 128 GB, ConnectX-5 25 Gbit/s (Utah)"),
    ("c6525-100g", "c6525-100g: 24 cores, 128 GB, ConnectX-5 100 Gbit/s (Utah)"),
    ("d6515", "d6515: 32 cores, 128 GB, ConnectX-5 100 Gbit/s (Utah)"),
    ("r6525", "r6525: 64 cores, 256 GB, ConnectX-6 100 Gbit/s (Clemson)"),
]
IMAGE = "urn:publicid:IDN+emulab.net+image+emulab-ops//UBUNTU24-64-STD"
SPEEDS_GBIT = [0, 10, 25, 100]

context = portal.Context()
context.defineParameter("node_type", "Type of the nodes", portal.ParameterType.NODETYPE, "xl170", NODE_TYPES)
context.defineParameter("count", "Number of nodes", portal.ParameterType.INTEGER, 2, [2, 3, 4])
context.defineParameter(
    "speed_gbit",
    "Speed of the network in Gbit/s (0: as fast as the adapters)",
    portal.ParameterType.INTEGER,
    0,
    SPEEDS_GBIT,
)
context.defineParameter("image", "Disk image", portal.ParameterType.IMAGE, IMAGE)
parameters = context.bindParameters()

if not 2 <= parameters.count <= 4:
    context.reportError(portal.ParameterError("There are 2, 3 or 4 nodes.", ["count"]))
if parameters.speed_gbit not in SPEEDS_GBIT:
    context.reportError(portal.ParameterError("The speed is 0, 10, 25 or 100.", ["speed_gbit"]))
context.verifyParameters()

request = context.makeRequestRSpec()
lan = request.LAN("rdma")
if parameters.speed_gbit:
    lan.bandwidth = parameters.speed_gbit * 1000 * 1000
# One network of its own on each port: RoCE is neither tagged nor shared.
lan.vlan_tagging = False
lan.link_multiplexing = False
for index in range(parameters.count):
    node = request.RawPC("node%d" % index)
    node.hardware_type = parameters.node_type
    node.disk_image = parameters.image
    interface = node.addInterface("rdma%d" % index)
    # scripts/cloudlab/run finds the network by this prefix.
    interface.addAddress(pg.IPv4Address("10.10.1.%d" % (index + 1), "255.255.255.0"))
    lan.addInterface(interface)

context.printRequestRSpec(request)
