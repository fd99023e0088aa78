use std::collections::HashSet;

use crate::WorkerError;

const PEOPLE: &str = include_str!("../gazetteer/people.tsv");
const ORGANIZATIONS: &str = include_str!("../gazetteer/organizations.tsv");
const PLACES: &str = include_str!("../gazetteer/places.tsv");

/// The kind of an entity: the `type` of its mentions and, more specifically, their `class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    /// A person.
    Person,
    /// An organization.
    Organization,
    /// A continent.
    Continent,
    /// A country.
    Country,
    /// A state of a federation.
    State,
    /// A city or a part of one.
    City,
}

impl EntityKind {
    /// Returns the `type` of a mention.
    #[must_use]
    pub fn mention_type(self) -> &'static str {
        match self {
            Self::Person => "Person",
            Self::Organization => "Organization",
            Self::Continent | Self::Country | Self::State | Self::City => "Location",
        }
    }

    /// Returns the `class` of a mention: a term of <https://schema.org/>.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Person => "http://schema.org/Person",
            Self::Organization => "http://schema.org/Organization",
            Self::Continent => "http://schema.org/Continent",
            Self::Country => "http://schema.org/Country",
            Self::State => "http://schema.org/State",
            Self::City => "http://schema.org/City",
        }
    }
}

/// A name and its entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// The searched name: case-sensitive, words separated by one space.
    pub name: String,
    /// The URI of the entity (GeoNames or Wikidata).
    pub inst: String,
    /// Its kind.
    pub kind: EntityKind,
}

/// Returns the built-in entities; `gazetteer/README.md` names their sources and licences. Each name stands for one
/// entity: the first in the order people, organizations, places.
///
/// # Errors
/// [`WorkerError::Gazetteer`] with file and line of the first row that cannot be read.
pub fn entities() -> Result<Vec<Entity>, WorkerError> {
    let mut entities = read("people.tsv", PEOPLE, |row| wikidata(row, EntityKind::Person))?;
    entities.extend(read("organizations.tsv", ORGANIZATIONS, |row| wikidata(row, EntityKind::Organization))?);
    entities.extend(read("places.tsv", PLACES, geonames)?);
    let mut names = HashSet::new();
    entities.retain(|entity| names.insert(entity.name.clone()));
    Ok(entities)
}

type Row<'a> = Result<Entity, &'static str>;

fn read(
    file: &'static str,
    rows: &str,
    parse: impl Fn(&[&str]) -> Row<'static>,
) -> Result<Vec<Entity>, WorkerError> {
    rows.lines()
        .enumerate()
        .filter(|(_, row)| !row.is_empty() && !row.starts_with('#'))
        .map(|(index, row)| {
            let columns: Vec<&str> = row.split('\t').collect();
            parse(&columns).and_then(named).map_err(|reason| WorkerError::Gazetteer {
                file,
                line: index + 1,
                reason,
            })
        })
        .collect()
}

/// Documents are searched with single spaces, so a name with other white space could never be found.
fn named(entity: Entity) -> Row<'static> {
    if entity.name.is_empty() || entity.name.split_whitespace().collect::<Vec<_>>().join(" ") != entity.name {
        return Err("its name must not be empty and its words must be parted by single spaces");
    }
    Ok(entity)
}

fn wikidata(row: &[&str], kind: EntityKind) -> Row<'static> {
    let [name, item] = row else {
        return Err("it must have two columns: name and Wikidata item");
    };
    if !item.strip_prefix('Q').is_some_and(is_number) {
        return Err("its second column must be a Wikidata item, for example Q42944");
    }
    let inst = format!("http://www.wikidata.org/entity/{item}");
    Ok(Entity { name: (*name).to_owned(), inst, kind })
}

fn geonames(row: &[&str]) -> Row<'static> {
    let [name, id, kind] = row else {
        return Err("it must have three columns: name, GeoNames id and kind");
    };
    if !is_number(id) {
        return Err("its second column must be a GeoNames id, a number");
    }
    let kind = match *kind {
        "Continent" => EntityKind::Continent,
        "Country" => EntityKind::Country,
        "State" => EntityKind::State,
        "City" => EntityKind::City,
        _ => return Err("its third column must be Continent, Country, State or City"),
    };
    let inst = format!("http://sws.geonames.org/{id}/");
    Ok(Entity { name: (*name).to_owned(), inst, kind })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_read_and_each_name_stands_for_one_entity() {
        let entities = entities().unwrap();
        assert!(entities.len() > 4_000, "{}", entities.len());
        let names: HashSet<_> = entities.iter().map(|entity| &entity.name).collect();
        assert_eq!(names.len(), entities.len());
    }

    #[test]
    fn london_is_the_one_in_england() {
        let entities = entities().unwrap();
        let london = entities.iter().find(|entity| entity.name == "London").unwrap();
        assert_eq!(london.inst, "http://sws.geonames.org/2643743/");
        assert_eq!(london.kind, EntityKind::City);
    }

    #[test]
    fn an_organization_comes_before_a_place_of_the_same_name() {
        let entities = entities().unwrap();
        let toyota = entities.iter().find(|entity| entity.name == "Toyota").unwrap();
        assert_eq!(toyota.kind, EntityKind::Organization);
    }

    #[test]
    fn a_bad_row_is_refused_with_its_line() {
        for row in [
            "London",
            "London\tx\tCity",
            "London\t1\tTown",
            "London\t1\tCity\t",
            " London\t1\tCity",
            "\t1\tCity",
        ] {
            let error = read("places.tsv", &format!("# comment\n\n{row}\n"), geonames).unwrap_err();
            assert!(error.to_string().starts_with("gazetteer places.tsv, line 3: "), "{row:?}: {error}");
        }
        assert!(read("people.tsv", "Plato\tP859\n", |row| wikidata(row, EntityKind::Person)).is_err());
    }
}
