"""Consume, transform, produce and commit in one transaction (version 2, KIP-890) with everything killed."""

import json
import subprocess

from conftest import command
from copying import copy_under_fire, kills


def test_the_java_client_copies_each_record_once():
    copying = copy_under_fire(command("io.millstream.compat.Copier"), kills(100), 3)
    assert copying.fenced, "no zombie was told that it is one"
