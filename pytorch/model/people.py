"""Words for people in captions, and the neutral word for those that say a gender or an age.

A word counts as a person only if in captions it nearly always is one. Left out, since they often
are something else: driver, walker, pitcher, boxer, trainer, camper, bowler, model, guard, coach,
speaker, cook, star, character, king, queen, pirate, angel, shepherd; human (hand), butcher and
barber (shop), police (car), military (truck), group and bunch (of anything). Of some the plural
alone is in: passengers (but passenger train), pedestrians, tourists, guests, cowboys, twins.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pytorch.model.plurals import plural

# In the singular; their plurals count as well.
EVERYDAY = """
    person individual adult male female man woman lady gentleman guy dude fellow lad gal boy girl
    child kid baby toddler infant teen teenager youth youngster adolescent preteen schoolboy
    schoolgirl schoolchild
"""
RELATIVES = """
    parent mother father mom mum dad mommy daddy grandparent grandmother grandfather grandma
    grandpa grandchild grandson granddaughter son daughter brother sister sibling husband wife
    uncle aunt cousin girlfriend boyfriend friend lover neighbor classmate bride groom groomsman
    bridesmaid newlywed couple family
"""
SPORTS = """
    player ballplayer athlete team teammate opponent competitor contestant participant skier
    snowboarder skateboarder boarder skater surfer windsurfer kitesurfer wakeboarder bodyboarder
    rider cyclist bicyclist biker motorcyclist motorcycler unicyclist rollerblader racer runner
    jogger sprinter swimmer diver skydiver snorkeler paddler kayaker canoeist rower rafter climber
    mountaineer hiker backpacker gymnast acrobat wrestler golfer jockey batter batsman catcher
    fielder outfielder baseman quarterback footballer goalie goalkeeper goaltender defender referee
    umpire cheerleader lifeguard spectator
"""
WORK = """
    worker workman employee laborer fireman firefighter policeman policewoman officer cop soldier
    sailor pilot astronaut captain conductor farmer fisherman lumberjack rancher carpenter welder
    plumber mechanic electrician engineer technician scientist chef waiter waitress bartender
    barista cashier clerk vendor salesman saleswoman shopkeeper merchant janitor maid nanny
    babysitter hairdresser stylist businessman businesswoman lawyer politician president teacher
    instructor professor student pupil doctor dentist surgeon nurse paramedic veterinarian
    photographer cameraman reporter journalist priest monk nun crew cowgirl
"""
ARTS = """
    artist actor actress celebrity performer entertainer musician guitarist bassist drummer pianist
    violinist cellist saxophonist singer vocalist rapper dancer ballerina juggler magician comedian
    clown painter sculptor author writer choir orchestra
"""
CROWDS = """
    crowd audience onlooker bystander customer shopper patron visitor protester marcher reveler
    villager citizen hipster owner patient
"""
# Counted as they stand. The last line is how captions often write man's and so on.
AS_THEY_STAND = """
    someone somebody everyone everybody persons folks humans band cowboys passengers pedestrians
    tourists guests commuters travelers twins elders passerby passersby
    mans womans someones childs peoples
"""
# "A couple of birds", "a family of ducks": the words that follow tell of what.
OF_ANYTHING = frozenset(["couple", "family", "team", "crowd", "crew", "band"])

# In the singular. A neutral word begins as its own does, so that "a" and "an" stay right.
NEUTRAL_OF = {
    "person": "man woman lady gentleman guy dude fellow lad gal child kid teen teenager youngster "
    "husband wife girlfriend boyfriend brother sister grandmother grandfather businessman "
    "businesswoman salesman saleswoman fisherman cowgirl",
    "child": "boy girl baby toddler schoolboy schoolgirl son daughter",
    "parent": "mother father mom mum dad mommy daddy",
    "firefighter": "fireman",
    "worker": "workman",
    "photographer": "cameraman",
    "waiter": "waitress",
    "actor": "actress",
    "dancer": "ballerina",
}

# What captions say of gender and age: the words in the singular, and pronouns as they stand.
MALE_WORDS = """
    man gentleman guy dude fellow lad boy schoolboy father dad daddy grandfather grandpa son
    grandson brother husband uncle boyfriend groom groomsman workman fireman policeman fisherman
    salesman businessman cameraman male
"""
FEMALE_WORDS = """
    woman lady gal girl schoolgirl mother mom mum mommy grandmother grandma daughter granddaughter
    sister wife aunt girlfriend bride bridesmaid policewoman saleswoman businesswoman waitress
    actress ballerina cowgirl nun female
"""
CHILD_WORDS = """
    boy girl child kid baby toddler infant preteen schoolboy schoolgirl schoolchild
"""
ADULT_WORDS = """
    man woman lady gentleman guy adult businessman businesswoman workman fireman policeman
    policewoman fisherman salesman saleswoman mother father mom dad grandmother grandfather
"""


def _people() -> frozenset[str]:
    singular = " ".join([EVERYDAY, RELATIVES, SPORTS, WORK, ARTS, CROWDS])
    return _with_plurals(singular, *AS_THEY_STAND.split())


def _neutral() -> Mapping[str, str]:
    singular = {word: neutral for neutral, words in NEUTRAL_OF.items() for word in words.split()}
    plurals = {plural(word): plural(neutral) for word, neutral in singular.items()}
    return MappingProxyType(singular | plurals)


def _with_plurals(singular: str, *as_they_stand: str) -> frozenset[str]:
    words = singular.split()
    return frozenset([*words, *map(plural, words), *as_they_stand])


MALE = _with_plurals(MALE_WORDS, "he", "him", "his", "himself")
FEMALE = _with_plurals(FEMALE_WORDS, "she", "her", "hers", "herself")
CHILDREN = _with_plurals(CHILD_WORDS)
ADULTS = _with_plurals(ADULT_WORDS)
PEOPLE = _people()
# `child` has a neutral word itself: the age may be wrong where the gender is not said.
NEUTRAL = _neutral()


def says_people(words: list[str]) -> bool:
    """Whether a caption, split into words, says that there are people.

    "A couple of birds" does not; "a couple" and "a couple of men" do.
    """
    return any(
        word in PEOPLE and not (word in OF_ANYTHING and words[place + 1 : place + 2] == ["of"])
        for place, word in enumerate(words)
    )
