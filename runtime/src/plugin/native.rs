//! The built-in plugins as handles.

use super::Handle;

pub fn find(name: &str) -> Option<Handle> {
    millstream_connectors::find(name).map(Handle::from)
}
