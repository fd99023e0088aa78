// A worker on cpp-httplib, as llama.cpp's server is one: four threads, each of which serves a connection until it ends.
// four_threads PORT
#include <chrono>
#include <cstdlib>
#include <thread>

#include <httplib.h>

int main(int, char **argv) {
    httplib::Server server;
    server.new_task_queue = [] { return new httplib::ThreadPool(4); };
    server.Get("/.*", [](const httplib::Request &, httplib::Response &response) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        response.set_content("ok\n", "text/plain");
    });
    return server.listen("127.0.0.1", std::atoi(argv[1])) ? 0 : 1;
}
