"""An MQTT 5 client that tells everything: how the log-in ended, what each PUBACK said, what was delivered."""

import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

WITHIN_S = 25.0


class PlainClient:
    """Every call waits for the broker's word. A lost connection stays lost: paho's own thread would come back."""

    def __init__(
        self,
        port: int,
        tls: ssl.SSLContext | None,
        client_id: str,
        user: str = "",
        will: tuple[str, bytes] | None = None,
    ) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
        self._port = port
        if user:
            self._client.username_pw_set(user)
        if tls is not None:
            self._client.tls_set_context(tls)
        if will is not None:
            self._client.will_set(*will, qos=1)
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._words: dict[int, str] = {}
        self._connack = ""
        self.received: list[tuple[str, bytes]] = []
        self.lost_at = 0.0
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def connect(self) -> str:
        """``in``, or why not."""
        try:
            self._client.connect("127.0.0.1", self._port, keepalive=30)
        except (OSError, ssl.SSLError) as error:
            return f"refused: {_words(error)}"
        self._thread.start()
        self._wait(lambda: bool(self._connack or self.lost_at))
        if self._connack != "in":
            self.close()
        return self._connack or "refused: connection ended by the broker"

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> str:
        """What the PUBACK says."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        return self._word(info.mid)

    def subscribe(self, topic: str) -> str:
        """What the SUBACK says."""
        _, mid = self._client.subscribe(topic, qos=1)
        return self._word(mid or 0)

    def wait_for(self, topic: str) -> None:
        """Until something on ``topic`` was delivered."""
        self._wait(lambda: any(name == topic for name, _ in self.received))

    def wait_for_end(self, within_s: float = WITHIN_S) -> float:
        """Until the connection has ended; when that was (``time.monotonic``)."""
        self._wait(lambda: bool(self.lost_at), within_s)
        return self.lost_at

    @property
    def connected(self) -> bool:
        """Whether the connection lasts."""
        return not self.lost_at and self._client.is_connected()

    def vanish(self) -> None:
        """As when the power is cut: no DISCONNECT."""
        self._stop()
        if (sock := self._client.socket()) is not None:
            with suppress(OSError):
                sock.close()

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._stop()

    def _stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self._client.loop(timeout=0.05) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._note(lambda: setattr(self, "lost_at", self.lost_at or time.monotonic()))
                return

    def _word(self, mid: int) -> str:
        self._wait(lambda: mid in self._words or bool(self.lost_at))
        return self._words.get(mid, "connection ended by the broker")

    def _wait(self, condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, within_s):
                raise AssertionError(f"nothing happened within {within_s:g} s")

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def _on_connect(self, _c: paho.Client, _d: Any, _f: Any, code: ReasonCode, _p: Properties | None) -> None:
        word = f"refused: {code}" if code.is_failure else "in"
        self._note(lambda: setattr(self, "_connack", word))

    def _on_disconnect(self, _c: paho.Client, _d: Any, _f: Any, _code: ReasonCode, _p: Properties | None) -> None:
        self._note(lambda: setattr(self, "lost_at", self.lost_at or time.monotonic()))

    def _on_publish(self, _c: paho.Client, _d: Any, mid: int, code: ReasonCode, _p: Properties | None) -> None:
        self._note(lambda: self._words.update({mid: str(code)}))

    def _on_subscribe(self, _c: paho.Client, _d: Any, mid: int, codes: list[ReasonCode], _p: Properties | None) -> None:
        self._note(lambda: self._words.update({mid: ", ".join(map(str, codes))}))

    def _on_message(self, _c: paho.Client, _d: Any, message: paho.MQTTMessage) -> None:
        self._note(lambda: self.received.append((message.topic, bytes(message.payload))))


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error).replace("_", " ").lower()
    return "connection ended by the broker"
