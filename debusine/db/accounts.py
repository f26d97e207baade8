"""Users and tokens in the database."""

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.accounts import Token, User


class UserRepository(Repository[User]):
    """Finds and keeps users."""

    table = tables.users
    noun = User
    title = "user"


class TokenRepository(Repository[Token]):
    """Finds and keeps tokens, by the hash of their key."""

    table = tables.tokens
    noun = Token
    title = "token"
