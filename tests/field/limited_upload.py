"""A Flask application that refuses bodies of more than 1 MB, before it has read them."""

from flask import Flask, request

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1_000_000


@app.route("/", methods=["GET"])
def index():
    return "ok"


@app.route("/upload", methods=["POST"])
def upload():
    return str(len(request.get_data()))
