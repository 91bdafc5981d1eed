"""A plugin in Python with all three roles: see source.py, transform.py and sink.py."""

import json

from wit_world import exports
from wit_world.exports.plugin import Delivery, Description, Role, RoleDescription


def schema(**properties):
    return json.dumps({"type": "object", "properties": properties})


class Plugin(exports.Plugin):
    def describe(self):
        count = {"type": "integer", "minimum": 1, "default": 1000, "description": "How many numbers."}
        of = {"type": "integer", "minimum": 1, "default": 1, "description": "Whose multiples are kept."}
        return Description(
            name="numbers",
            version="0.1.0",
            doc="Counts, keeps multiples, adds up.",
            roles=[
                RoleDescription(Role.SOURCE, "Counts from 0. Goes on exactly where it stopped.", schema(count=count), None),
                RoleDescription(Role.TRANSFORM, "Keeps the multiples of a number and says whose they are.", schema(of=of), None),
                RoleDescription(Role.SINK, "Adds up n and shows the sum as a metric and in the log.", schema(), Delivery.AT_LEAST_ONCE),
            ],
            wants=[],
        )

    def validate(self, role, config):
        return []


class Source(exports.Source):
    pass


class Sink(exports.Sink):
    pass


class Transform(exports.Transform):
    pass
