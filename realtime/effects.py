from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    name: str
    source: str = ""

    @classmethod
    def from_json(cls, d):
        return cls(**d)

    def to_json(self):
        return {}


def rows(effects):
    return []


def names(folder):
    return []


def find(name, folder): ...


class Chain: ...
