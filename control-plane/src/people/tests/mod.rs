mod house;
mod sessions;
mod several;
mod tokens;
mod users;
