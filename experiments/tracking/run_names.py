"""Names for runs that come without one: adjective, noun, number."""

import random
from typing import Final

ADJECTIVES: Final = (
    "amber brave bright calm candid clever cosmic crisp curious daring eager early fair famous fleet "
    "gentle glad golden grand honest humble keen kind lively lucid lunar mellow merry mild modest "
    "neat nimble noble patient placid plucky polite proud quick quiet rapid rare robust serene sharp "
    "silent silver sleek smooth solar sound stellar sturdy subtle sunny swift tidy upbeat vivid warm "
    "wise witty zesty"
).split()
NOUNS: Final = (
    "albatross aster badger beacon birch bison canyon cedar comet condor coral crane delta dolphin "
    "eagle ember falcon fern finch fjord galaxy gazelle glacier grove gull harbor hare hawk heron "
    "island jaguar kestrel lagoon lark lemur lynx maple meadow meteor moose nebula newt orbit orca "
    "osprey otter owl panda pebble penguin pine planet puffin quail quasar raven reef river robin "
    "salmon seal shrew sparrow spruce squid star stoat stork summit swan tern thrush tiger toucan "
    "trout tulip valley vole walrus wave willow wren zebra"
).split()


def random_name() -> str:
    """Return a made-up name, for example ``calm-otter-417``."""
    # Random only so that people can tell runs apart.
    adjective, noun = random.choice(ADJECTIVES), random.choice(NOUNS)  # noqa: S311
    return f"{adjective}-{noun}-{random.randrange(1000)}"  # noqa: S311
