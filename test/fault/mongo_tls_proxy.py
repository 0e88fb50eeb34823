#!/usr/bin/python3
"""Runs a command with a TLS door in front of the test server.

    mongo_tls_proxy.py COMMAND [ARGUMENT...]

Listens on a free port of loopback with a fresh certificate for "localhost" and forwards to MONGO_HOSTS. The command
finds MONGO_TLS_HOSTS and MONGO_TLS_CA_FILE in its environment; its exit status is ours.
"""
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading


def certificate(directory):
    """Makes a self-signed certificate, which is its own authority."""
    key, authority = os.path.join(directory, "key.pem"), os.path.join(directory, "ca.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
                    "-out", authority, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, stderr=subprocess.DEVNULL)
    return key, authority


def pump(source, target):
    """Copies bytes one way until either end is closed, then closes both."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, context, server):
    try:
        outer = context.wrap_socket(client, server_side=True)
    except OSError:    # the client did not like the certificate
        return
    inner = socket.create_connection(server)
    for end in (outer, inner):    # a small answer must not wait for the next one
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=pump, args=(outer, inner), daemon=True).start()
    pump(inner, outer)


def accept(listener, context, server):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, context, server), daemon=True).start()


def opened(directory):
    """Opens the door, and returns its port and the file with its authority."""
    host, port = os.environ["MONGO_HOSTS"].rsplit(":", 1)
    key, authority = certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, key)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(listener, context, (host, int(port))), daemon=True).start()
    return listener.getsockname()[1], authority


def main():
    with tempfile.TemporaryDirectory() as directory:
        port, authority = opened(directory)
        environment = dict(os.environ, MONGO_TLS_HOSTS=f"localhost:{port}", MONGO_TLS_CA_FILE=authority)
        return subprocess.run(sys.argv[1:], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
