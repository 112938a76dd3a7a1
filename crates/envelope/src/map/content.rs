//! What a message says: text or bytes, as they are or compressed.

use std::borrow::Cow;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::cbor::Value;

/// The longest content, inflated: a message of a few bytes must not become a large one in memory.
pub const CONTENT_BYTES_MAX: usize = 65_536;

/// Raw DEFLATE (RFC 1951), the one compression there is.
pub(super) const DEFLATE: u64 = 1;
/// The compressor's own scale, up to 10. Contents are small: the best that is not much slower.
const DEFLATE_LEVEL: u8 = 9;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// In words.
    Text(Cow<'a, str>),
    /// In bytes, for a program.
    Bytes(Cow<'a, [u8]>),
}

impl Content<'_> {
    /// The text, or the bytes, as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(_) => None,
        }
    }

    /// The same, no longer borrowed.
    pub fn into_owned(self) -> Content<'static> {
        match self {
            Self::Text(text) => Content::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Content::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// What a content is to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType<'a> {
    /// One of the short list: 0 text/plain, 1 application/json, 2 application/cbor, 3 octets; others are not known.
    Number(u64),
    /// A media type.
    Media(&'a str),
}

impl ContentType<'_> {
    /// text/plain.
    pub const PLAIN: Self = Self::Number(0);
    /// application/json.
    pub const JSON: Self = Self::Number(1);
    /// application/cbor.
    pub const CBOR: Self = Self::Number(2);
    /// Any bytes.
    pub const OCTETS: Self = Self::Number(3);

    /// Whether contents of this type are texts.
    pub(super) fn is_text(self) -> bool {
        match self {
            Self::Number(number) => number <= 1,
            Self::Media(media) => media.starts_with("text/"),
        }
    }
}

/// Why the content of a message cannot be read. The message stays one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    /// Compressed in a way that is not known.
    #[error("the content is compressed in way {0}, which this program does not know")]
    Compression(u64),
    /// Said to be compressed, and a text, or nothing.
    #[error("the content is said to be compressed, but there are no bytes to inflate")]
    NotBytes,
    /// Not a DEFLATE stream, or not a whole one.
    #[error("the content is compressed, but it is no whole DEFLATE stream")]
    Deflate,
    /// Longer than [`CONTENT_BYTES_MAX`].
    #[error("the content has more than {CONTENT_BYTES_MAX} bytes when it is inflated")]
    TooLong,
    /// Bytes behind the stream.
    #[error("{bytes} bytes follow the compressed content")]
    Behind {
        /// How many.
        bytes: usize,
    },
    /// Of a type that is text, but none.
    #[error("the content is no UTF-8, but its type is one of text")]
    NotUtf8,
}

/// The content under key 3, read as the values of the keys 6 and 4 say.
pub(super) fn read<'a>(
    content: Option<&'a Value>,
    compression: Option<&Value>,
    content_type: Option<ContentType<'_>>,
) -> Result<Option<Content<'a>>, ContentFault> {
    match (compression, content) {
        (None, Some(Value::Text(text))) => Ok(Some(Content::Text(Cow::Borrowed(text)))),
        (None, Some(Value::Bytes(bytes))) => Ok(Some(Content::Bytes(Cow::Borrowed(bytes)))),
        (Some(Value::Unsigned(DEFLATE)), Some(Value::Bytes(bytes))) => {
            let inflated = inflate(bytes)?;
            if !inflates_to_text(content_type) {
                return Ok(Some(Content::Bytes(Cow::Owned(inflated))));
            }
            let text = String::from_utf8(inflated).map_err(|_| ContentFault::NotUtf8)?;
            Ok(Some(Content::Text(Cow::Owned(text))))
        }
        (Some(Value::Unsigned(DEFLATE)), _) => Err(ContentFault::NotBytes),
        (Some(Value::Unsigned(other)), _) => Err(ContentFault::Compression(*other)),
        _ => Ok(None),
    }
}

/// Whether a compressed content of this type is a text. Compressed, both are bytes: the type alone tells them apart, and where
/// it is not given, people speak.
pub(super) fn inflates_to_text(content_type: Option<ContentType<'_>>) -> bool {
    content_type.unwrap_or(ContentType::PLAIN).is_text()
}

/// The content compressed, whether it gets shorter or not.
pub(super) fn deflate(content: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec(content, DEFLATE_LEVEL)
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, ContentFault> {
    let mut inflated = vec![0; CONTENT_BYTES_MAX];
    let mut state = Box::<DecompressorOxide>::default();
    let (status, read, written) =
        decompress(&mut state, bytes, &mut inflated, 0, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
    match status {
        TINFLStatus::Done if read == bytes.len() => {
            inflated.truncate(written);
            inflated.shrink_to_fit();
            Ok(inflated)
        }
        TINFLStatus::Done => Err(ContentFault::Behind { bytes: bytes.len() - read }),
        TINFLStatus::HasMoreOutput => Err(ContentFault::TooLong),
        _ => Err(ContentFault::Deflate),
    }
}
