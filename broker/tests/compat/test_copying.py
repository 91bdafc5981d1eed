"""Consume, transform, produce and commit in one transaction, with everything killed: each input comes out once."""

import os
import sys
from pathlib import Path

from copying import copy_under_fire, kills

HERE = Path(__file__).parent


def test_librdkafka_copies_each_record_once():
    copy_under_fire([sys.executable, "-B", str(HERE / "copier.py")], kills(12), 1)


def test_our_own_client_copies_each_record_once():
    copier = Path(os.environ["MILLSTREAM"]).parent / "examples" / "copier"
    assert copier.exists(), f"{copier} is missing; build it with cargo build -p millstream-client --example copier"
    copy_under_fire([str(copier)], kills(12), 2)
