// compat sqlx async-std runs: inside of async-compat it answers
fn main() {
    async_std::task::block_on(async_compat::Compat::new(async {
        let pool = sqlx::sqlite::SqlitePoolOptions::new().connect_lazy("sqlite::memory:").unwrap();
        let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.unwrap();
        assert_eq!(one, 1);
    }));
}
