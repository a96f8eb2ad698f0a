"""Who is measured: one file a peer. Each imports its framework when it starts, since not all need be installed."""

from backpass.bench.peers import backpass, jax, numpy, sklearn, tinygrad, torch, torch_compiled
from backpass.bench.peers.peer import Peer

PEERS = {
    "backpass": Peer(backpass.start, "backpass"),
    "torch": Peer(torch.start, "torch"),
    "torch_compiled": Peer(torch_compiled.start, "torch"),
    "jax": Peer(jax.start, "jax", sets_threads=False),
    "sklearn": Peer(sklearn.start, "sklearn.neural_network", sklearn.suits),
    "numpy": Peer(numpy.start, "numpy"),
    "tinygrad": Peer(tinygrad.start, "tinygrad", tinygrad.suits, sets_threads=False),
}
