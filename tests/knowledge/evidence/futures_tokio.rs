// compat futures tokio refused: AsyncRead
fn both(conn: tokio::net::TcpStream) -> impl futures::io::AsyncRead {
    conn
}

fn main() {
    let _ = both;
}
