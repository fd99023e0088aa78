mod fixture;
mod sessions;
mod several;
mod tokens;
mod users;
