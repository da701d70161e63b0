//! How a layer's tar is compressed: told by its first bytes, never by what a manifest says.
//!
//! Our own layers are gzip; others write zstd or plain tar. Next: `layers.rs`.

use std::fs::File;
use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::layout::Layout;
use crate::{Error, Result};

/// Bytes that are unpacked from a zstd frame before they are handed on.
const ZSTD_STEP: usize = 128 << 10;
/// A whole frame of nothing. The decoder refuses windows over 100 MiB (what a hostile layer could
/// make us hold) in every frame but the first it sees, so the first one is ours.
const ZSTD_NOTHING: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];

/// The compression of a layer's blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// By the magic number (RFC 1952, RFC 8878).
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// What OCI calls such a layer.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// The tar inside.
    pub(crate) fn unpack<'a>(self, packed: &'a mut dyn BufRead) -> Box<dyn Read + 'a> {
        match self {
            Self::Plain => Box::new(packed),
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstd => {
                Box::new(Zstd { packed, frame: FrameDecoder::new(), place: Place::Before })
            }
        }
    }
}

impl Layout {
    /// How the blob of a layer in the store is packed.
    pub(crate) fn packing(&self, digest: &str) -> Result<Packing> {
        let path = self.blob_path(digest)?;
        let mut head = Vec::new();
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        file.take(4).read_to_end(&mut head).map_err(Error::io("read", &path))?;
        Ok(Packing::of(&head))
    }
}

/// All frames of a stream one after the other; those to be skipped are.
struct Zstd<'a> {
    packed: &'a mut dyn BufRead,
    frame: FrameDecoder,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The decoder has seen nothing yet.
    Before,
    Within,
    End,
}

impl Zstd<'_> {
    /// Goes to the next frame with data.
    fn next_frame(&mut self) -> io::Result<Place> {
        if self.place == Place::Before {
            self.frame.reset(&ZSTD_NOTHING[..]).map_err(damaged)?;
        }
        loop {
            if self.packed.fill_buf()?.is_empty() {
                return Ok(Place::End);
            }
            match self.frame.reset(&mut self.packed) {
                Ok(()) => return Ok(Place::Within),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = io::copy(&mut (&mut self.packed).take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(damaged(error)),
            }
        }
    }
}

impl Read for Zstd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.place == Place::Within {
                let read = self.frame.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
                if !self.frame.is_finished() {
                    let step = BlockDecodingStrategy::UptoBytes(ZSTD_STEP);
                    self.frame.decode_blocks(&mut self.packed, step).map_err(damaged)?;
                    continue;
                }
                let stated = self.frame.get_checksum_from_data();
                if stated.is_some() && stated != self.frame.get_calculated_checksum() {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "zstd: wrong checksum"));
                }
            }
            if self.place != Place::End {
                self.place = self.next_frame()?;
            }
            if self.place == Place::End {
                return Ok(0);
            }
        }
    }
}

fn damaged(error: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that stores `text` as it is: one raw block (RFC 8878, 3.1.1).
    fn frame(text: &[u8]) -> Vec<u8> {
        let size = u8::try_from(text.len()).unwrap();
        let header = (u32::from(size) << 3 | 1).to_le_bytes();
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, size];
        bytes.extend_from_slice(&header[..3]);
        bytes.extend_from_slice(text);
        bytes
    }

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut packed = bytes;
        Packing::of(bytes).unpack(&mut packed).read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn all_frames_of_a_layer_are_read_and_skippable_ones_left_out() {
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        let all = [&frame(b"one "), &skipped[..], &frame(b"two"), &skipped].concat();
        assert_eq!(unpack(&all).unwrap(), b"one two");
        assert_eq!(unpack(&frame(b"")).unwrap(), b"");
        assert_eq!(unpack(b"plain").unwrap(), b"plain");
    }

    #[test]
    fn a_cut_or_greedy_frame_is_an_error_not_a_crash() {
        let whole = [&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9][..], &frame(b"text")].concat();
        for cut in 4..whole.len() {
            if cut != 9 {
                assert!(unpack(&whole[..cut]).is_err(), "cut at {cut}");
            }
        }
        // A window of terabytes.
        let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 1, 0, 0];
        assert!(unpack(&greedy).is_err());
    }
}
