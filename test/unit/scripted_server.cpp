/*-------------------------------------------------------------------------
 *
 * scripted_server.cpp
 *	  The wire protocol, as much of it as the driver uses.
 *
 *-------------------------------------------------------------------------
 */
#include "scripted_server.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <csignal>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

using reconcile::mongo::Document;

namespace {

constexpr int32_t kOpReply = 1, kOpQuery = 2004, kOpMsg = 2013;

struct Header {
	int32_t length, request, response_to, opcode;
};

bool read_all(int socket, void *into, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t const got = recv(socket, static_cast<char *>(into) + done, bytes - done, 0);
		if (got <= 0)
			return false;
		done += static_cast<size_t>(got);
	}
	return true;
}

/* body_of finds the command in a message of either kind. */
bool body_of(const std::vector<char> &message, int32_t opcode, bson_t *body)
{
	size_t at = 4; /* flags */
	if (opcode == kOpQuery)
		at += strlen(message.data() + at) + 1 + 8; /* name, skip, limit */
	else
		for (; at < message.size() && message[at] != 0; at++) { /* a section of documents */
			int32_t length;
			memcpy(&length, &message[at + 1], 4);
			at += static_cast<size_t>(length);
		}
	at += opcode == kOpMsg;
	int32_t length;
	memcpy(&length, &message[at], 4);
	return bson_init_static(body, reinterpret_cast<const uint8_t *>(&message[at]),
							static_cast<size_t>(length));
}

void send_reply(int socket, const Header &request, const bson_t *reply)
{
	std::string message(sizeof(Header), '\0');
	auto const put = [&](const void *data, size_t bytes) {
		message.append(static_cast<const char *>(data), bytes);
	};
	if (request.opcode == kOpQuery) {
		int32_t const head[] = {8, 0, 0, 0, 1}; /* flags, cursor (2), from, count */
		put(head, sizeof head);
	} else
		put("\0\0\0\0\0", 5); /* flags, section of one document */
	put(bson_get_data(reply), reply->len);
	Header const header{static_cast<int32_t>(message.size()), 1, request.request,
						request.opcode == kOpQuery ? kOpReply : kOpMsg};
	memcpy(message.data(), &header, sizeof header);
	send(socket, message.data(), message.size(), MSG_NOSIGNAL);
}

/* usual_answer is what a healthy server would say. */
std::string usual_answer(const std::string &command)
{
	if (command == "hello" || command == "isMaster" || command == "ismaster")
		return R"({"ismaster": true, "isWritablePrimary": true, "helloOk": true,
			"maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000,
			"maxWriteBatchSize": 100000, "logicalSessionTimeoutMinutes": 30,
			"minWireVersion": 0, "maxWireVersion": 13})";
	if (command == "find")
		return R"({"cursor": {"id": {"$numberLong": "7"}, "ns": "d.c", "firstBatch": [{"_id": 1}]}})";
	if (command == "getMore")
		return R"({"cursor": {"id": {"$numberLong": "0"}, "ns": "d.c", "nextBatch": [{"_id": 2}]}})";
	if (command == "update")
		return R"({"n": 2, "nModified": 0})";
	return "{}";
}

} // namespace

struct ScriptedServer::Shared {
	std::atomic<int> connections, length;
	char log[65536]; /* names of commands, each with a newline */
};

ScriptedServer::ScriptedServer(Script script)
{
	shared_ = static_cast<Shared *>(
		mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	int const listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t length = sizeof address;
	if (bind(listener, reinterpret_cast<sockaddr *>(&address), length) != 0 ||
		listen(listener, 16) != 0 ||
		getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length) != 0)
		throw std::runtime_error("could not listen");
	port_ = ntohs(address.sin_port);
	process_ = fork();
	if (process_ == 0)
		serve(listener, script);
	close(listener);
}

ScriptedServer::~ScriptedServer()
{
	kill(process_, SIGKILL);
	waitpid(process_, nullptr, 0);
	munmap(shared_, sizeof(Shared));
}

int ScriptedServer::connections() const
{
	return shared_->connections;
}

std::vector<std::string> ScriptedServer::commands() const
{
	std::vector<std::string> names;
	std::string name;
	for (int i = 0; i < shared_->length; i++)
		if (shared_->log[i] == '\n')
			names.push_back(std::exchange(name, {}));
		else
			name += shared_->log[i];
	return names;
}

int ScriptedServer::count(const std::string &command) const
{
	auto const names = commands();
	return static_cast<int>(std::count(names.begin(), names.end(), command));
}

/* serve is the whole life of the server's process. */
void ScriptedServer::serve(int listener, const Script &script)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	std::vector<pollfd> watched{{listener, POLLIN, 0}};
	for (;;) {
		poll(watched.data(), watched.size(), -1);
		for (size_t i = watched.size(); i-- > 1;)
			if (watched[i].revents != 0 && !answer(watched[i].fd, script)) {
				close(watched[i].fd);
				watched.erase(watched.begin() + static_cast<ptrdiff_t>(i));
			}
		if (watched[0].revents != 0) {
			int const accepted = accept(listener, nullptr, nullptr);
			int const on = 1;
			setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
			shared_->connections++;
			watched.push_back({accepted, POLLIN, 0});
		}
	}
}

/* answer reads one command and does what the script says; false closes. */
bool ScriptedServer::answer(int socket, const Script &script)
{
	Header header;
	char greeting[8192];
	if (recv(socket, greeting, 2, MSG_PEEK) == 2 && greeting[0] == 0x16 && greeting[1] == 0x03)
		return recv(socket, greeting, sizeof greeting, 0) > 0; /* of TLS: stall */
	if (!read_all(socket, &header, sizeof header) || header.length < 26 || header.length > 50000000)
		return false;
	std::vector<char> message(static_cast<size_t>(header.length) - sizeof header);
	bson_t body;
	bson_iter_t first;
	if (!read_all(socket, message.data(), message.size()) ||
		!body_of(message, header.opcode, &body) || !bson_iter_init(&first, &body) ||
		!bson_iter_next(&first))
		return false;
	std::string const command = bson_iter_key(&first);
	std::string const line = command + "\n";
	memcpy(shared_->log + shared_->length, line.data(), line.size());
	shared_->length += static_cast<int>(line.size());

	Answer const answer = script(command, count(command));
	if (answer.kind == Answer::kStall || answer.kind == Answer::kClose)
		return answer.kind == Answer::kStall;
	Document reply = Document::from_json(answer.json.empty() ? usual_answer(command) : answer.json);
	if (!bson_has_field(reply.get(), "ok"))
		reply.number("ok", 1);
	send_reply(socket, header, reply.get());
	return answer.kind == Answer::kReply;
}
