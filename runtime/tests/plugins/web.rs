//! A web server for tests: answers by path, with or without TLS.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a path answers.
#[derive(Clone)]
pub struct Page {
    pub status: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Only for who brings this, otherwise the answer is 401 with a challenge.
    pub token: Option<(&'static str, String)>,
}

impl Page {
    pub fn of(body: impl Into<Vec<u8>>) -> Page {
        Page { status: "200 OK", headers: Vec::new(), body: body.into(), token: None }
    }

    pub fn moved(to: String) -> Page {
        Page { status: "302 Found", headers: vec![("location", to)], ..Page::of("") }
    }
}

pub struct Web {
    pub address: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    /// The paths that were asked for, in order.
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

/// The file of the certificate that [`Web::start`] shows with TLS, for `SSL_CERT_FILE`.
pub fn certificate() -> String {
    format!("{}/../connectors/tests/http/tls/certificate.pem", env!("CARGO_MANIFEST_DIR"))
}

impl Web {
    pub fn start(tls: bool) -> Web {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let pages: Arc<Mutex<HashMap<String, Page>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (served, noted) = (Arc::clone(&pages), Arc::clone(&asked));
        let acceptor = tls.then(acceptor);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, noted, acceptor) = (Arc::clone(&served), Arc::clone(&noted), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                answer(stream, &served, &noted).await;
                            }
                        }
                        None => answer(stream, &served, &noted).await,
                    }
                });
            }
        });
        Web { address, pages, asked, _runtime: runtime }
    }

    pub fn put(&self, path: impl Into<String>, page: Page) {
        self.pages.lock().unwrap().insert(path.into(), page);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn acceptor() -> TlsAcceptor {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/tests/http/tls");
    let chain = CertificateDer::pem_file_iter(folder.join("certificate.pem")).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

/// One request, one answer.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    pages: &Mutex<HashMap<String, Page>>,
    asked: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(read) if read > 0 && line.trim() != "" => lines.push(line.trim().to_owned()),
            _ => break,
        }
    }
    let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1)).map(str::to_owned) else { return };
    asked.lock().unwrap().push(path.clone());
    let page = pages.lock().unwrap().get(&path).cloned();
    let missing = Page { status: "404 Not Found", ..Page::of("nothing here") };
    let mut page = page.unwrap_or(missing);
    if let Some((token, challenge)) = page.token.take()
        && !lines.iter().any(|line| line.eq_ignore_ascii_case(&format!("authorization: Bearer {token}")))
    {
        page = Page {
            status: "401 Unauthorized",
            headers: vec![("www-authenticate", challenge)],
            ..Page::of("")
        };
    }
    let mut head =
        format!("HTTP/1.1 {}\r\ncontent-length: {}\r\nconnection: close\r\n", page.status, page.body.len());
    for (name, value) in &page.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    // The client may be gone: then nobody is there to be told.
    if stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(&page.body).await.is_ok() {
        stream.shutdown().await.unwrap_or_default();
    }
}
