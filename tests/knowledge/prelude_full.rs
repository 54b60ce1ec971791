pub async fn hello(
    _: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<String>, std::convert::Infallible> {
    Ok(hyper::Response::new(String::from("hello")))
}
