mod house;
mod several;
mod sessions;
mod tokens;
mod users;
