import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;

/* mongo-java-server on a port of our choice: its own main() knows only 27017. */
class LocalMongoServer {
	public static void main(String[] args) {
		new MongoServer(new MemoryBackend()).bind("127.0.0.1", Integer.parseInt(args[0]));
	}
}
