import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.util.List;

/** Speaks MongoDB's wire protocol for tests: keeps data in the file named first, listens on the port named second. */
public class MongoServerMain {
    public static void main(String[] arguments) throws Exception {
        H2Backend backend = new H2Backend(arguments[0]);
        backend.version(new MongoVersion() {
            @Override
            public List<Integer> getVersionArray() {
                return List.of(5, 0, 0);
            }

            @Override
            public int getWireVersion() {
                return 13; // The Rust driver talks to nothing older than 9.
            }
        });
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(arguments[1]));
        System.out.println("listening " + server.getLocalAddress().getPort());
        while (System.in.read() >= 0) { } // Ends with the test, however that ends.
        server.shutdownNow();
    }
}
