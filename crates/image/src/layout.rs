//! The store on disk.
pub(crate) const FORMAT: &str = "1"; #[derive(Debug)] pub(crate) struct Layout;
