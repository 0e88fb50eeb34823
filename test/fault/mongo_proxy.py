"""A TCP proxy in front of a MongoDB that understands where messages end, and misbehaves on request."""
import socket
import struct
import threading

OP_MSG = 2013


def command_of(message):
    """The command's name; 'hello' for the greeting, in whatever form the driver sends it."""
    if struct.unpack_from("<i", message, 12)[0] != OP_MSG:
        return "hello"
    name = message[16 + 4 + 1 + 4 + 1:].split(b"\0", 1)[0].decode()
    return "hello" if name.lower() == "ismaster" else name


class Proxy:
    """Forwards to host:port. trouble(command, what, skip) makes the command that comes after `skip` of its kind

    stall    disappear: nobody answers, and the connection stays open
    refuse   end the connection before the server sees the command
    lose     reach the server, and end the connection instead of the answer
    """

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = 0
        self.seen = []
        self.rules = {}
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def trouble(self, command, what, skip=0):
        self.rules[command] = [what, skip]

    def peace(self):
        self.rules.clear()

    def close(self):
        self._end(self.listener, *self.sockets)  # shutting down is what wakes a thread that waits

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self.target)
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sockets.append(s)
            lost = threading.Event()
            threading.Thread(target=self._commands, args=(client, server, lost), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server, lost), daemon=True).start()

    def _commands(self, client, server, lost):
        try:
            while message := self._message(client):
                command = command_of(message)
                self.seen.append(command)
                rule = self.rules.get(command)
                if rule and rule[1] > 0:
                    rule[1] -= 1
                elif rule and rule[0] == "stall":
                    continue
                elif rule and rule[0] == "refuse":
                    break
                elif rule and rule[0] == "lose":
                    lost.set()
                server.sendall(message)
        except OSError:
            pass
        self._end(client, server)

    def _answers(self, client, server, lost):
        try:
            while message := self._message(server):
                if lost.is_set():
                    break
                client.sendall(message)
        except OSError:
            pass
        self._end(client, server)

    @staticmethod
    def _end(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    @staticmethod
    def _message(s):
        head = Proxy._exactly(s, 4)
        return head and head + Proxy._exactly(s, struct.unpack("<i", head)[0] - 4)

    @staticmethod
    def _exactly(s, count):
        data = b""
        while len(data) < count:
            part = s.recv(count - len(data))
            if not part:
                return b""
            data += part
        return data
