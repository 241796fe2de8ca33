//! The little of URLs that fetching needs: quoting, origins, and where a redirect leads.

use crate::error::{Error, Kind, Result};

/// Percent-encodes a text so that it is one path segment.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

/// Percent-encodes each segment of a path.
pub fn quote_path(path: &str) -> String {
    path.split('/').map(quote).collect::<Vec<_>>().join("/")
}

/// Scheme, host and port of an absolute http or https URL, in lower case, the port always given.
///
/// # Errors
/// When it is not such a URL.
pub fn origin(url: &str) -> Result<String> {
    let bad = || {
        Error::new(Kind::Network, format!("not an http or https URL: {}", crate::env::redact_urls(url)))
            .hint("HF_ENDPOINT must look like https://huggingface.co")
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => "80",
        "https" => "443",
        _ => return Err(bad()),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    // The colon of a port comes after the bracket of an IPv6 address.
    let after_bracket = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let has_port = host[after_bracket..].contains(':');
    if host.is_empty() || host.starts_with(':') {
        return Err(bad());
    }
    Ok(if has_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{default_port}") })
}

/// The absolute URL that `location`, found in a redirect from `base`, leads to.
///
/// # Errors
/// When it leads to something other than http or https, or from https to http.
pub fn join(base: &str, location: &str) -> Result<String> {
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    let location = location.split('#').next().unwrap_or_default();
    let target = if has_scheme(location) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else {
        let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        if location.starts_with('/') {
            format!("{scheme}://{authority}{location}")
        } else {
            let path = path.split(['?', '#']).next().unwrap_or_default();
            let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
            format!("{scheme}://{authority}{folder}{location}")
        }
    };
    let to = origin(&target)?;
    if origin(base)?.starts_with("https:") && to.starts_with("http:") {
        return Err(Error::new(Kind::Network, format!("refused a redirect from https to {to}")));
    }
    Ok(target)
}

/// Whether a URL reference starts with `scheme:`, as opposed to being relative.
fn has_scheme(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    };
    text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_quoted() {
        assert_eq!(quote("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(quote_path("a b/ü.gguf"), "a%20b/%C3%BC.gguf");
    }

    #[test]
    fn origins_are_compared_with_their_port() {
        assert_eq!(origin("https://H.co/x").unwrap(), origin("HTTPS://h.co:443").unwrap());
        assert_ne!(origin("https://h.co").unwrap(), origin("http://h.co").unwrap());
        assert_ne!(origin("http://h.co:81").unwrap(), origin("http://h.co").unwrap());
        assert_eq!(origin("http://[::1]/x").unwrap(), "http://[::1]:80");
        assert_eq!(origin("https://me:pw@h.co/x").unwrap(), "https://h.co:443");
        assert_eq!(origin("https://h.co@evil.example/x").unwrap(), "https://evil.example:443");
        for bad in ["", "h.co", "ftp://h.co", "https://", "https:///x"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn redirects_are_joined() {
        let base = "https://h.co/a/b?c=d";
        assert_eq!(join(base, "https://cdn.co/x?y").unwrap(), "https://cdn.co/x?y");
        assert_eq!(join(base, "//cdn.co/x").unwrap(), "https://cdn.co/x");
        assert_eq!(join(base, "/x?u=http://z").unwrap(), "https://h.co/x?u=http://z");
        assert_eq!(join(base, "x").unwrap(), "https://h.co/a/x");
        assert_eq!(join("https://h.co", "x").unwrap(), "https://h.co/x");
        assert!(join(base, "http://h.co/x").is_err());
        assert!(join(base, "file:///etc/passwd").is_err());
    }
}
