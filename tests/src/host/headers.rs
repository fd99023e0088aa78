use crate::host::Status;

/// A header map as in Envoy: lower-case names, several values for a name, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// Most bytes and pairs that the host reads at once (`limits.h` of proxy-wasm-cpp-host).
const PAIRS_BYTES_MAX: usize = 1024 * 1024;
const PAIRS_MAX: usize = 1024;

impl Headers {
    /// Returns the first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.0.iter().find(|(have, _)| *have == name).map(|(_, value)| value.as_str())
    }

    /// Returns all values of a name.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let name = name.to_ascii_lowercase();
        self.0.iter().filter(|(have, _)| *have == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Adds a value, beside those of the same name.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    /// Replaces all values of a name by one, at the end of the map, as Envoy's `setCopy` does.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    /// Removes all values of a name.
    pub fn remove(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(have, _)| *have != name);
    }

    /// Returns the number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Bytes of all names and values.
    pub(crate) fn byte_size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Returns the form in which maps cross the ABI: count, lengths, then names and values, each with a zero byte after it.
    pub(crate) fn to_pairs(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut bytes = (self.0.len() as u32).to_le_bytes().to_vec();
        for (name, value) in &self.0 {
            bytes.extend((name.len() as u32).to_le_bytes());
            bytes.extend((value.len() as u32).to_le_bytes());
        }
        for (name, value) in &self.0 {
            bytes.extend(name.as_bytes());
            bytes.push(0);
            bytes.extend(value.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    /// Reads what [`Headers::to_pairs`] wrote. The C++ host takes what it cannot read as no pairs at all; here it is an
    /// error, so that a test sees it.
    pub(crate) fn from_pairs(bytes: &[u8]) -> Result<Self, Status> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut sizes = bytes;
        let count = take_u32(&mut sizes)? as usize;
        if count > PAIRS_MAX || bytes.len() > PAIRS_BYTES_MAX {
            return Err(Status::BadArgument);
        }
        let mut texts = sizes.get(count * 8..).ok_or(Status::BadArgument)?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let (name, value) = (take_u32(&mut sizes)?, take_u32(&mut sizes)?);
            let name = take_text(&mut texts, name as usize)?;
            pairs.push((name.to_ascii_lowercase(), take_text(&mut texts, value as usize)?));
        }
        if texts.is_empty() { Ok(Self(pairs)) } else { Err(Status::BadArgument) }
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            headers.add(name.as_ref(), value.as_ref());
        }
        headers
    }
}

fn take_u32(bytes: &mut &[u8]) -> Result<u32, Status> {
    let (number, rest) = bytes.split_first_chunk::<4>().ok_or(Status::BadArgument)?;
    *bytes = rest;
    Ok(u32::from_le_bytes(*number))
}

fn take_text(bytes: &mut &[u8], len: usize) -> Result<String, Status> {
    let text = bytes.get(..len).ok_or(Status::BadArgument)?;
    if bytes.get(len) != Some(&0) {
        return Err(Status::BadArgument);
    }
    *bytes = &bytes[len + 1..];
    Ok(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_as_they_were() {
        let headers: Headers =
            [(":path", "/"), ("x-empty", ""), ("x-twice", "1"), ("x-twice", "2")].into_iter().collect();
        assert_eq!(Headers::from_pairs(&headers.to_pairs()), Ok(headers));
    }

    #[test]
    fn pairs_that_are_cut_short_are_refused() {
        let bytes = Headers::from_iter([("name", "value")]).to_pairs();
        assert!((1..bytes.len()).all(|end| Headers::from_pairs(&bytes[..end]) == Err(Status::BadArgument)));
    }

    #[test]
    fn setting_a_name_replaces_all_its_values() {
        let mut headers: Headers = [("x-a", "1"), ("X-A", "2"), ("x-b", "3")].into_iter().collect();
        headers.set("X-a", "4");
        assert_eq!((headers.all("x-a"), headers.len()), (vec!["4"], 2));
    }
}
