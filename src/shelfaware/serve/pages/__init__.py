"""The pages: what a browser is shown, and the forms on it."""

from fastapi import APIRouter

from shelfaware.serve.pages import changing, entering, looking, mapping, reading

router = APIRouter(include_in_schema=False)
for room in (reading, looking, mapping, changing, entering):
    router.include_router(room.router)
