//! Where a server is and how to get in: `mysql://user:password@host:port/database`, with MySQL's own words for TLS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql_async::{Opts, OptsBuilder, SslOpts};

/// A connection that is silent for so long is asked whether it still stands.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Prepared statements that a session keeps: a few per table and size of a run.
const STATEMENTS_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// What the driver reads.
    plain: String,
    mode: SslMode,
    authorities: Option<PathBuf>,
    socket: Option<String>,
}

/// The words of MySQL's clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SslMode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

impl Address {
    /// Also `mariadb://`, and with `?ssl-mode=…&ssl-ca=…&socket=…`.
    pub fn parse(url: &str) -> Result<Address, String> {
        let (_, rest) = url.split_once(':').ok_or("it is no URL")?;
        let (plain, options) = rest.split_once('?').unwrap_or((rest, ""));
        let mut address = Address {
            plain: format!("mysql:{plain}"),
            mode: SslMode::Preferred,
            authorities: None,
            socket: None,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decoded(value).ok_or_else(|| format!("`{name}` is not UTF-8"))?;
            match name {
                "ssl-mode" => address.mode = SslMode::parse(&value)?,
                "ssl-ca" => address.authorities = Some(PathBuf::from(value)),
                "socket" => address.socket = Some(value),
                _ => return Err(format!("it has no option `{name}`; ssl-mode, ssl-ca and socket are")),
            }
        }
        if address.authorities.is_some() && !address.verifies() {
            return Err("`ssl-ca` needs ssl-mode=verify-ca or verify-identity".to_owned());
        }
        let driver = Opts::from_url(&address.plain).map_err(|error| error.to_string())?;
        match (driver.user(), driver.db_name()) {
            (None, _) => Err("it names no user".to_owned()),
            (_, None) => Err("it names no database".to_owned()),
            _ => Ok(address),
        }
    }

    /// Relative paths begin in the pipeline's folder.
    pub fn within(mut self, base: &Path) -> Address {
        self.authorities = self.authorities.map(|path| base.join(path));
        self
    }

    fn verifies(&self) -> bool {
        matches!(self.mode, SslMode::VerifyCa | SslMode::VerifyIdentity)
    }

    /// What to try, one after the other where the server offers no TLS.
    pub fn attempts(&self) -> Vec<Opts> {
        let plain = || self.options(None);
        if self.socket.is_some() {
            return plain().into_iter().collect();
        }
        let mut tls = SslOpts::default();
        if !self.verifies() {
            tls = tls.with_danger_accept_invalid_certs(true);
        }
        if self.mode == SslMode::VerifyCa {
            tls = tls.with_danger_skip_domain_validation(true);
        }
        if let Some(path) = &self.authorities {
            tls = tls.with_disable_built_in_roots(true).with_root_certs(vec![path.clone().into()]);
        }
        let encrypted = || self.options(Some(tls.clone()));
        match self.mode {
            SslMode::Disabled => plain().into_iter().collect(),
            SslMode::Preferred => encrypted().into_iter().chain(plain()).collect(),
            _ => encrypted().into_iter().collect(),
        }
    }

    fn options(&self, tls: Option<SslOpts>) -> Option<Opts> {
        let base = Opts::from_url(&self.plain).ok()?;
        let builder = OptsBuilder::from_opts(base)
            .ssl_opts(tls)
            .socket(self.socket.clone())
            .prefer_socket(false)
            .tcp_keepalive(Some(KEEPALIVE))
            .tcp_nodelay(true)
            .stmt_cache_size(STATEMENTS_MAX)
            // An update that changes nothing has found its row all the same.
            .client_found_rows(true);
        Some(builder.into())
    }
}

impl SslMode {
    fn parse(word: &str) -> Result<SslMode, String> {
        match word.to_ascii_lowercase().replace('_', "-").as_str() {
            "disabled" => Ok(SslMode::Disabled),
            "preferred" => Ok(SslMode::Preferred),
            "required" => Ok(SslMode::Required),
            "verify-ca" => Ok(SslMode::VerifyCa),
            "verify-identity" => Ok(SslMode::VerifyIdentity),
            _ => Err(format!(
                "`{word}` is no ssl-mode; disabled, preferred, required, verify-ca and verify-identity are"
            )),
        }
    }
}

/// Resolves `%2F` and the like.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_wrong_ones_say_why() {
        let address =
            Address::parse("mariadb://me:p%40ss@h:3307/shop?ssl-mode=VERIFY_CA&ssl-ca=a%2Fca.pem").unwrap();
        assert_eq!(address.authorities, Some("a/ca.pem".into()));
        let attempts = address.attempts();
        let [only] = attempts.as_slice() else { panic!("{} attempts", attempts.len()) };
        assert_eq!(
            (only.user(), only.pass(), only.tcp_port(), only.db_name()),
            (Some("me"), Some("p@ss"), 3307, Some("shop"))
        );
        assert!(only.ssl_opts().is_some());
        assert_eq!(Address::parse("mysql://me@h/shop").unwrap().attempts().len(), 2);
        for (url, reason) in [
            ("mysql://h/shop", "names no user"),
            ("mysql://me@h", "names no database"),
            ("mysql://me@h/d?sslmode=require", "no option `sslmode`"),
            ("mysql://me@h/d?ssl-mode=on", "`on` is no ssl-mode"),
            ("mysql://me@h/d?ssl-ca=x", "needs ssl-mode"),
            ("mysql://me@/d", "rror"),
        ] {
            let told = Address::parse(url).unwrap_err();
            assert!(told.contains(reason), "{url}: {told}");
        }
    }
}
