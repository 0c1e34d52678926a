#!/usr/bin/python3
"""GNU Radio's channel model between two ZMQ sockets, headless; in a process of its own, under the system's Python.

    PULL source (connects to --source) -> channels.channel_model -> PUSH sink (binds --sink)

semwave air transmit PHOTO --zmq tcp://127.0.0.1:5601
/usr/bin/python3 examples/gnuradio/channel.py --noise 0.079 --offset 0.01
semwave air receive --zmq tcp://127.0.0.1:5602 --out DIR
"""

import argparse
import json
import signal

from gnuradio import channels, gr, zeromq


class Channel(gr.top_block):
    """Noise (amplitude), carrier offset (cycles a sample), clock (samples in a sample), taps, between two sockets."""

    def __init__(self, options):
        gr.top_block.__init__(self, "channel", catch_exceptions=True)
        source = zeromq.pull_source(gr.sizeof_gr_complex, 1, options.source, 100, False, -1)
        model = channels.channel_model(
            noise_voltage=options.noise,
            frequency_offset=options.offset,
            epsilon=options.epsilon,
            taps=[complex(*tap) for tap in json.loads(options.taps)],
            noise_seed=options.seed,
            block_tags=False,
        )
        sink = zeromq.push_sink(gr.sizeof_gr_complex, 1, options.sink, 100, False, -1)
        self.connect(source, model, sink)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--source", default="tcp://127.0.0.1:5601")
parser.add_argument("--sink", default="tcp://127.0.0.1:5602")
parser.add_argument("--noise", type=float, default=0.0)
parser.add_argument("--offset", type=float, default=0.0)
parser.add_argument("--epsilon", type=float, default=1.0)
parser.add_argument("--taps", default="[[1, 0]]", help="JSON: pairs of real and imaginary part")
parser.add_argument("--seed", type=int, default=1)

if __name__ == "__main__":
    flow = Channel(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: flow.stop())
    flow.start()
    flow.wait()
