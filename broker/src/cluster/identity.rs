//! Who this node is, kept in `meta.properties` of its data folder (Kafka's file and keys), so that data never
//! starts under another node's or another cluster's name.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use millstream_protocol::Uuid;

use crate::log::disk::{Disk, DiskError, replace_file};

const FILE: &str = "meta.properties";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// 22 characters of URL-safe base64.
    pub(crate) cluster_id: String,
    pub(crate) node_id: i32,
    /// Names the data folder itself.
    pub(crate) directory_id: Uuid,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("read {path}: no usable value for {key}; restore the file or start on an empty folder")]
    Malformed { path: String, key: &'static str },
    #[error("{path} belongs to node {stored}, this node is {configured}; correct node.id or the data folder")]
    OtherNode { path: String, stored: i32, configured: i32 },
}

impl Identity {
    /// Reads the folder's identity, or gives a new folder one.
    pub(crate) fn load_or_create(
        disk: &dyn Disk,
        directory: &Path,
        node_id: i32,
    ) -> Result<Self, IdentityError> {
        let path = directory.join(FILE);
        let bytes = match disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let identity =
                    Self { cluster_id: Uuid::random().to_string(), node_id, directory_id: Uuid::random() };
                replace_file(disk, &path, identity.to_text().as_bytes())?;
                return Ok(identity);
            }
            Err(source) => return Err(DiskError { action: "read", path, source }.into()),
        };
        let identity = Self::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|key| IdentityError::Malformed { path: path.display().to_string(), key })?;
        if identity.node_id != node_id {
            let (stored, path) = (identity.node_id, path.display().to_string());
            return Err(IdentityError::OtherNode { path, stored, configured: node_id });
        }
        Ok(identity)
    }

    fn to_text(&self) -> String {
        let mut text = String::from("version=1\n");
        for (key, value) in [
            ("cluster.id", &self.cluster_id),
            ("node.id", &self.node_id.to_string()),
            ("directory.id", &self.directory_id.to_string()),
        ] {
            writeln!(text, "{key}={value}").expect("writing to a string cannot fail");
        }
        text
    }

    /// The error is the key whose value is missing or wrong.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let value = |key: &'static str| {
            let entry = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            entry.filter(|value| !value.is_empty()).ok_or(key)
        };
        Ok(Self {
            cluster_id: value("cluster.id")?.to_owned(),
            node_id: value("node.id")?.parse().map_err(|_| "node.id")?,
            directory_id: value("directory.id")?.parse().map_err(|_| "directory.id")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::disk::SimulatedDisk;

    #[test]
    fn identity_survives_and_guards_the_folder() {
        let disk = SimulatedDisk::new(1);
        let directory = Path::new("/data");
        disk.create_directory(directory).unwrap();
        let created = Identity::load_or_create(&disk, directory, 3).unwrap();
        assert_eq!(created.cluster_id.len(), 22);
        assert_eq!(Identity::load_or_create(&disk, directory, 3).unwrap(), created);
        let error = Identity::load_or_create(&disk, directory, 4).unwrap_err().to_string();
        assert!(error.contains("belongs to node 3, this node is 4"), "{error}");
        replace_file(&disk, &directory.join(FILE), b"cluster.id=x\nnode.id=3\n").unwrap();
        let error = Identity::load_or_create(&disk, directory, 3).unwrap_err().to_string();
        assert!(error.contains("no usable value for directory.id"), "{error}");
    }
}
