/*-------------------------------------------------------------------------
 *
 * scripted_server.hpp
 *	  A server that speaks MongoDB's wire protocol and does as a test says:
 *	  answers, stalls, or closes the connection.
 *
 * It is a process of its own, so that the tests stay single-threaded as a
 * backend is, and ends with the object or with the test program.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/document.hpp"

#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

/* Answer is what the server does about one command. */
struct Answer {
	enum Kind { kReply, kReplyAndClose, kStall, kClose } kind = kReply;
	std::string json; /* of a reply; "ok" is added when it is not there */
};

class ScriptedServer {
public:
	/* A script is asked for the answer to the nth command of that name, from
	 * 1 on.  What it says nothing about (an empty reply) is answered well. */
	using Script = std::function<Answer(const std::string &command, int nth)>;

	explicit ScriptedServer(Script script);
	~ScriptedServer();
	ScriptedServer(const ScriptedServer &) = delete;
	ScriptedServer &operator=(const ScriptedServer &) = delete;

	uint16_t port() const { return port_; }

	/* What has happened so far. */
	int connections() const;
	std::vector<std::string> commands() const;
	int count(const std::string &command) const;

private:
	struct Shared; /* with the server's process */

	uint16_t port_ = 0;
	pid_t process_ = -1;
	Shared *shared_ = nullptr;

	[[noreturn]] void serve(int listener, const Script &script);
	bool answer(int socket, const Script &script);
};
