//! What the programs share. Those that serve or ask do so once, and by std alone.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

pub async fn hello(_: hyper::Request<hyper::body::Incoming>) -> Result<hyper::Response<String>, std::convert::Infallible> {
    Ok(hyper::Response::new(String::from("hello")))
}

/// The whole answer of an HTTP server.
pub fn get(server: SocketAddr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let mut conn = TcpStream::connect(server).unwrap();
        conn.write_all(b"GET / HTTP/1.1\r\nhost: me\r\nconnection: close\r\n\r\n").unwrap();
        conn.read_to_string(&mut text).unwrap();
        text
    })
}

/// Where somebody answers "hello" to whatever comes.
pub fn serve_once() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut conn, _) = listener.accept().unwrap();
        let _ = conn.read(&mut [0; 4096]);
        conn.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").unwrap();
    });
    address
}

/// Prints the names of this process's threads once tide has answered.
pub async fn tide_answers() {
    use tide::listener::Listener;
    let mut app = tide::new();
    app.at("/").get(|_| async { Ok("hello") });
    let mut listener = app.bind("127.0.0.1:0").await.unwrap();
    let at = listener.info()[0].connection().trim_start_matches("http://").parse().unwrap();
    std::thread::spawn(move || {
        assert!(get(at).join().unwrap().ends_with("hello"));
        for thread in std::fs::read_dir("/proc/self/task").unwrap() {
            println!("{}", std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap().trim());
        }
        std::process::exit(0);
    });
    listener.accept().await.unwrap();
}
