"""How many tokens a text takes, and what they cost."""

from decimal import Decimal

from curation.llm.prompts import Messages
from curation.models import LanguageModel

# Tokenizers differ and most need a download. Code takes 3 to 4 bytes a token with those in use;
# counting 3 errs on the side of a prompt that fits.
BYTES_PER_TOKEN = 3
PER_MESSAGE = 8
MILLION = Decimal(1_000_000)


def tokens_of(text: str) -> int:
    """An upper estimate of the tokens in `text`."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def tokens_of_messages(messages: Messages) -> int:
    return sum(PER_MESSAGE + tokens_of(message["content"]) for message in messages)


def cost_of(model: LanguageModel, prompt_tokens: int, completion_tokens: int) -> Decimal | None:
    """In the currency of the price table; None when a price is unknown."""
    if model.input_price is None or model.output_price is None:
        return None
    return (model.input_price * prompt_tokens + model.output_price * completion_tokens) / MILLION
