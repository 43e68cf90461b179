"""What is wrong with the other end's TLS, in words for people."""

import ssl


def trouble(error: BaseException) -> str | None:
    """Why the other end is not trusted or not understood; None where TLS is not the matter."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is refused ({error.verify_message.rstrip('.')})"
        case ssl.SSLError():
            return f"it does not speak TLS as we do ({error.reason or error})"
        case ConnectionError() if "rejected SSL upgrade" in str(error):
            return "it does not speak TLS"
    return None
