//! As much of SPDY/3.1 as port-forward needs: frames out of bytes and back. kubectl speaks it inside
//! of a WebSocket. There is no flow control, as its clients have none.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The largest frame that is taken.
const MOST_FRAME_BYTES: usize = 4 << 20;
/// The largest block of headers, inflated.
const MOST_HEADER_BYTES: usize = 32 << 10;
const FIN: u8 = 1;

/// A frame that concerns us; the others are left out when they are read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A stream begins, with its headers.
    Begin { stream: u32, headers: Vec<(String, String)>, last: bool },
    /// Bytes of a stream.
    Data { stream: u32, bytes: Bytes, last: bool },
    /// A stream ends at once.
    Reset { stream: u32 },
    /// To be sent back.
    Ping { id: u32 },
    /// No stream will begin any more.
    GoAway,
}

/// The words that headers are compressed against (SPDY/3, section 2.6.10.1): these, each with its
/// length in four bytes in front, and then what follows.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding \
    accept-language accept-ranges age allow authorization cache-control connection content-base \
    content-encoding content-language content-length content-location content-md5 content-range \
    content-type date etag expect expires from host if-match if-modified-since if-none-match \
    if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate \
    proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url \
    public set-cookie keep-alive origin";
const REST: &str = "10010120120220520630030230330430530630740240540640740840941041141241341441541\
    6417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad \
    Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not \
    Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 \
    Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,\
    application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,\
    deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut all = Vec::new();
    for word in WORDS.split_whitespace() {
        // The one that has a space in it.
        let word = word.replace('_', " ");
        all.put_u32(u32::try_from(word.len()).unwrap_or(0));
        all.put_slice(word.as_bytes());
    }
    all.put_slice(REST.as_bytes());
    all
}

/// Frames out of bytes, in whatever pieces those come.
pub(super) struct Reader {
    rest: BytesMut,
    inflating: Decompress,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { rest: BytesMut::new(), inflating: Decompress::new(true) }
    }

    /// Takes more bytes in.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next whole frame, if one is there.
    ///
    /// # Errors
    /// The bytes are no frames.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            if self.rest.len() < 8 {
                return Ok(None);
            }
            let length = (&self.rest[4..8]).get_u32();
            let (flags, length) = (self.rest[4], (length & 0x00ff_ffff) as usize);
            if length > MOST_FRAME_BYTES {
                return Err(format!("a frame of {length} bytes"));
            }
            if self.rest.len() < 8 + length {
                return Ok(None);
            }
            let mut frame = self.rest.split_to(8 + length).freeze();
            let head = frame.get_u32();
            frame.advance(4);
            let last = flags & FIN != 0;
            if head & 0x8000_0000 == 0 {
                return Ok(Some(Frame::Data { stream: head, bytes: frame, last }));
            }
            if head >> 16 & 0x7fff != 3 {
                return Err("a version that is not 3".into());
            }
            if let Some(frame) = self.control(head & 0xffff, last, frame)? {
                return Ok(Some(frame));
            }
        }
    }

    fn control(&mut self, kind: u32, last: bool, mut body: Bytes) -> Result<Option<Frame>, String> {
        let mut number = |least: usize| match body.len() < least {
            true => Err("a frame that breaks off".to_owned()),
            false => Ok(body.get_u32() & 0x7fff_ffff),
        };
        Ok(match kind {
            1 => {
                let stream = number(10)?;
                body.advance(6);
                Some(Frame::Begin { stream, headers: self.headers(&body)?, last })
            }
            3 => Some(Frame::Reset { stream: number(8)? }),
            6 => Some(Frame::Ping { id: number(4)? }),
            7 => Some(Frame::GoAway),
            // Headers that come later mean nothing here, but change what the next ones mean.
            2 | 8 => {
                number(4)?;
                self.headers(&body)?;
                None
            }
            _ => None,
        })
    }

    /// A block of headers. All blocks of a connection are one compressed stream.
    fn headers(&mut self, packed: &[u8]) -> Result<Vec<(String, String)>, String> {
        let mut plain = Vec::with_capacity(MOST_HEADER_BYTES);
        let (mut from, odd) = (packed, || "headers that cannot be inflated".to_owned());
        while !from.is_empty() {
            let before = self.inflating.total_in();
            let done = self.inflating.decompress_vec(from, &mut plain, FlushDecompress::Sync);
            let taken = usize::try_from(self.inflating.total_in() - before).map_err(|_| odd())?;
            from = &from[taken..];
            match done {
                Err(error) if error.needs_dictionary().is_some() => {
                    self.inflating.set_dictionary(&dictionary()).map_err(|_| odd())?;
                }
                Err(_) => return Err(odd()),
                Ok(Status::StreamEnd) => return Err(odd()),
                Ok(_) if taken == 0 => return Err("too many headers".into()),
                Ok(_) => {}
            }
        }
        pairs(&plain).ok_or_else(|| "headers that break off".to_owned())
    }
}

fn pairs(mut plain: &[u8]) -> Option<Vec<(String, String)>> {
    let count = plain.try_get_u32().ok()?;
    let mut word = || {
        let length = plain.try_get_u32().ok()? as usize;
        let (word, rest) = plain.split_at_checked(length)?;
        plain = rest;
        String::from_utf8(word.to_vec()).ok()
    };
    (0..count.min(256)).map(|_| Some((word()?, word()?))).collect()
}

/// Bytes out of frames.
pub(super) struct Writer {
    packing: Compress,
}

impl Writer {
    pub(super) fn new() -> Self {
        let mut packing = Compress::new(Compression::fast(), true);
        // It cannot fail before the first byte.
        let _checksum = packing.set_dictionary(&dictionary());
        Self { packing }
    }

    /// Accepts a stream.
    pub(super) fn reply(&mut self, stream: u32) -> Bytes {
        let mut headers = Vec::with_capacity(256);
        let none = 0_u32.to_be_bytes();
        // No header, a few bytes: there is room for it.
        let _done = self.packing.compress_vec(&none, &mut headers, FlushCompress::Sync);
        let mut body = BytesMut::new();
        body.put_u32(stream);
        body.put_slice(&headers);
        control(2, &body)
    }

    /// Sends a ping back.
    pub(super) fn pong(id: u32) -> Bytes {
        control(6, &id.to_be_bytes())
    }

    /// Ends a stream at once.
    pub(super) fn reset(stream: u32) -> Bytes {
        const CANCEL: u32 = 5;
        control(3, &[stream.to_be_bytes(), CANCEL.to_be_bytes()].concat())
    }

    /// Bytes of a stream.
    pub(super) fn data(stream: u32, bytes: &[u8], last: bool) -> Bytes {
        let mut frame = BytesMut::with_capacity(8 + bytes.len());
        frame.put_u32(stream);
        let length = u32::try_from(bytes.len()).unwrap_or(0) & 0x00ff_ffff;
        frame.put_u32(length | u32::from(u8::from(last) * FIN) << 24);
        frame.put_slice(bytes);
        frame.freeze()
    }
}

fn control(kind: u32, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + body.len());
    frame.put_u32(0x8003_0000 | kind);
    frame.put_u32(u32::try_from(body.len()).unwrap_or(0));
    frame.put_slice(body);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream as a client begins it.
    fn begin(packing: &mut Compress, stream: u32, headers: &[(&str, &str)]) -> Bytes {
        let mut plain = BytesMut::new();
        plain.put_u32(u32::try_from(headers.len()).unwrap());
        for word in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.put_u32(u32::try_from(word.len()).unwrap());
            plain.put_slice(word.as_bytes());
        }
        let mut packed = Vec::with_capacity(4096);
        packing.compress_vec(&plain, &mut packed, FlushCompress::Sync).unwrap();
        let head = [&stream.to_be_bytes()[..], &[0; 6]].concat();
        control(1, &[head, packed].concat())
    }

    #[test]
    fn the_dictionary_is_that_of_the_protocol() {
        let mut packing = Compress::new(Compression::fast(), true);
        assert_eq!(packing.set_dictionary(&dictionary()).unwrap(), 0xe3c6_a7c2);
    }

    #[test]
    fn frames_survive_any_pieces_and_share_one_compression() {
        let mut packing = Compress::new(Compression::fast(), true);
        packing.set_dictionary(&dictionary()).unwrap();
        let headers = [("streamtype", "error"), ("port", "80")];
        let all = [
            begin(&mut packing, 1, &headers),
            begin(&mut packing, 3, &headers),
            Writer::data(3, b"hello", true),
            Writer::pong(7),
            Writer::reset(1),
            Writer::new().reply(9),
            control(7, &[0; 8]),
        ]
        .concat();
        let owned = |stream| Frame::Begin {
            stream,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            last: false,
        };
        let wanted = [
            owned(1),
            owned(3),
            Frame::Data { stream: 3, bytes: Bytes::from_static(b"hello"), last: true },
            Frame::Ping { id: 7 },
            Frame::Reset { stream: 1 },
        ];
        for size in [1, 3, 7, all.len()] {
            let (mut reader, mut seen) = (Reader::new(), Vec::new());
            for piece in all.chunks(size) {
                reader.feed(piece);
                // The reply comes of another compression, as it would from the other side.
                while let Ok(Some(frame)) = reader.next() {
                    seen.push(frame);
                }
            }
            assert_eq!(seen[..wanted.len()], wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for odd in [&[0x80, 2, 0, 1, 0, 0, 0, 0][..], &[0, 0, 0, 1, 0, 0xff, 0xff, 0xff]] {
            let mut reader = Reader::new();
            reader.feed(odd);
            assert!(reader.next().is_err(), "{odd:?}");
        }
        let mut reader = Reader::new();
        reader.feed(&control(1, &[0; 30]));
        assert!(reader.next().is_err(), "headers that are none");
    }
}
