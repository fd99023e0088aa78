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
    /// The value of `key` and its compare-and-swap number.
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

    /// All keys and values of one `vm_id`, by key.
    pub fn entries(&self, vm_id: &str) -> impl Iterator<Item = (&[u8], &[u8])> {
        let map = self.maps.get(vm_id).into_iter().flatten();
        map.map(|(key, entry)| (key.as_slice(), entry.value.as_slice()))
    }

    /// Makes the next write take the number `cas`, so that a test can let the count run over.
    pub fn set_next_cas(&mut self, cas: u32) {
        self.next_cas = cas.max(1);
    }
}
