"""A FastAPI application with a route that ends with a slash: a request without it is redirected."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/items/")
async def items():
    return {"items": []}
