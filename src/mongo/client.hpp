/*-------------------------------------------------------------------------
 *
 * client.hpp
 *	  One connection to a MongoDB, kept by its owner for many operations.
 *
 * A client works on the calling thread alone and starts no other.  It makes
 * network connections when an operation first needs them, only to hosts named
 * in its settings, and waits for them through the port.
 *
 * Nothing is repeated: the driver would pause before it tries again, and not
 * every version lets the pause be interrupted.  A kept connection that the
 * server closed in the meantime is replaced before anything is sent.
 *
 * Terms.  A client is "usable" until an interrupt, a broken connection or
 * abandon(): after that nothing it does touches the network, and its owner
 * replaces it by a new one.  It is "held up" while the server works on an
 * answer that nobody wants any more: another operation would have to wait for
 * that, and its owner had better leave the client to those who read from it.
 * When they are done the connection ends, and the server stops.
 *
 * Depends on: settings.hpp, port.hpp, document.hpp.  Used by: cursor.hpp,
 * bulk.hpp, src/fdw.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/document.hpp"
#include "mongo/port.hpp"
#include "mongo/settings.hpp"

#include <memory>
#include <string>

namespace reconcile::mongo {

struct Connection; /* shared by a client and its cursors and bulks */

/* Client may be destroyed before its cursors and bulks: the connection lives
 * as long as the last of them. */
class Client {
public:
	/* The constructor opens no connection.  It throws Error 0A000 when the
	 * process cannot host the driver (pg_documentdb is loaded), and those of
	 * check_settings(). */
	Client(const Settings &settings, Port &port);
	~Client();
	Client(const Client &) = delete;
	Client &operator=(const Client &) = delete;

	/* usable tells whether another operation has a chance. */
	bool usable() const noexcept;

	/* held_up tells whether another operation would wait for nothing. */
	bool held_up() const noexcept;

	/* tidy tells the server to forget the results that were left, if it can be
	 * told now.  That a broken connection keeps it from hearing this is no
	 * error: the client is not usable then.  Throws Interrupted. */
	void tidy();

	/* abandon gives up the connection without a word to the server: all that
	 * may be done when a transaction aborts. */
	void abandon() noexcept;

	/* ping selects a server, logs in and asks it to answer. */
	void ping();

	/* collection_exists asks the server with one command.  A view counts. */
	bool collection_exists(const std::string &database, const std::string &collection);

	/* has_collation asks the server with one command whether a collection
	 * compares text in a way of its own. */
	bool has_collation(const std::string &database, const std::string &collection);

	/* command runs one command of reading kind and gives its reply to the
	 * caller, who owns it.  Throws Error or Interrupted. */
	Document command(const std::string &database, const bson_t *command, const std::string &action);

	/* primary_command asks where writes go, whatever the settings prefer. */
	Document primary_command(const std::string &database, const bson_t *command,
							 const std::string &action);

	/* is_routed tells whether what answered stands for several servers, each of
	 * which has a part of the documents.  It is known once something answered. */
	bool is_routed() const;

	const std::shared_ptr<Connection> &connection() const { return connection_; }

private:
	Document ask(const std::string &database, const bson_t *command, const std::string &action,
				 const mongoc_read_prefs_t *where);

	std::shared_ptr<Connection> connection_;
};

/* simple_collation says that text is compared by its bytes. */
Document simple_collation();

} // namespace reconcile::mongo
