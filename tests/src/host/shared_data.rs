use std::collections::BTreeMap;

use crate::host::Status;

/// Shared data: one map of values for each `vm_id`, with compare-and-swap (`shared_data.cc` of proxy-wasm-cpp-host).
#[derive(Debug, Clone)]
pub struct SharedData {
    maps: BTreeMap<String, BTreeMap<Vec<u8>, Entry>>,
    next_cas: u32,
}

#[derive(Debug, Clone)]
struct Entry {
    value: Vec<u8>,
    cas: u32,
}

impl Default for SharedData {
    fn default() -> Self {
        Self { maps: BTreeMap::new(), next_cas: 1 }
    }
}

impl SharedData {
    /// Returns the value of `key` and its compare-and-swap number.
    #[must_use]
    pub fn get(&self, vm_id: &str, key: &[u8]) -> Option<(&[u8], u32)> {
        self.maps.get(vm_id)?.get(key).map(|entry| (entry.value.as_slice(), entry.cas))
    }

    /// Writes `value`. `cas` must be the number that was read, or 0 to write whatever is there. An absent key is created
    /// whatever `cas` says. Each write takes the next number of one count over all maps, so no number comes twice.
    ///
    /// # Errors
    /// [`Status::CasMismatch`] if the key was written since.
    pub fn set(&mut self, vm_id: &str, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        let map = self.maps.entry(vm_id.to_owned()).or_default();
        if map.get(key).is_some_and(|entry| cas != 0 && cas != entry.cas) {
            return Err(Status::CasMismatch);
        }
        map.insert(key.to_vec(), Entry { value: value.to_vec(), cas: self.next_cas });
        self.next_cas = self.next_cas.checked_add(1).unwrap_or(1);
        Ok(())
    }

    /// Returns all keys and values of one `vm_id`, by key.
    pub fn entries(&self, vm_id: &str) -> impl Iterator<Item = (&[u8], &[u8])> {
        let map = self.maps.get(vm_id).into_iter().flatten();
        map.map(|(key, entry)| (key.as_slice(), entry.value.as_slice()))
    }

    /// Returns the number that the next write takes: another one after each write.
    pub(crate) fn next_cas(&self) -> u32 {
        self.next_cas
    }

    /// Makes the next write take the number `cas`, so that a test can let the count run over.
    pub fn set_next_cas(&mut self, cas: u32) {
        self.next_cas = cas.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_handed_out_in_order_over_all_maps_and_never_twice() {
        let mut data = SharedData::default();
        for (number, vm_id) in (1..=6).zip(["a", "b"].into_iter().cycle()) {
            data.set(vm_id, b"key", b"value", 0).unwrap();
            assert_eq!(data.get(vm_id, b"key"), Some((&b"value"[..], number)));
        }
    }

    #[test]
    fn a_write_names_the_number_that_was_read_or_none() {
        let mut data = SharedData::default();
        data.set("vm", b"key", b"1", 99).unwrap();
        let (_, read) = data.get("vm", b"key").unwrap();
        data.set("vm", b"key", b"2", read).unwrap();
        assert_eq!(data.set("vm", b"key", b"3", read), Err(Status::CasMismatch));
        data.set("vm", b"key", b"4", 0).unwrap();
        assert_eq!(data.get("vm", b"key"), Some((&b"4"[..], 3)));
    }

    #[test]
    fn zero_is_left_out_when_the_count_runs_over() {
        let mut data = SharedData::default();
        data.set_next_cas(u32::MAX);
        data.set("vm", b"a", b"", 0).unwrap();
        data.set("vm", b"b", b"", 0).unwrap();
        assert_eq!((data.get("vm", b"a").unwrap().1, data.get("vm", b"b").unwrap().1), (u32::MAX, 1));
    }
}
