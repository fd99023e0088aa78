//! nginx: `max_conns` per worker, without a queue (only the commercial version has one): 502 without a free worker.

use std::net::SocketAddr;

use super::{Contender, ProxyLaunch, directory, installed, write};
use crate::cpus::Cpus;
use slotway_test_site::fresh_address;

/// Starts nginx, one process, in front of these workers.
pub(crate) async fn start(workers: &[SocketAddr], capacity: u32, cpus: &Cpus) -> Contender {
    let address = fresh_address();
    let directory = directory();
    let at = directory.path().display();
    let servers: String = workers
        .iter()
        .map(|worker| format!("    server {worker} max_conns={capacity} max_fails=0;\n"))
        .collect();
    // One process does everything, so that its processor time is the proxy's.
    let text = format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {at}/nginx.pid;\nerror_log {at}/error.log crit;\n\
         events {{ worker_connections 10000; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  \
         client_body_temp_path {at}/body;\n  proxy_temp_path {at}/proxy;\n  fastcgi_temp_path {at}/fastcgi;\n  \
         uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n  \
         upstream workers {{\n    zone workers 1m;\n    least_conn;\n{servers}    keepalive 1024;\n    \
         keepalive_requests 1000000000;\n  }}\n  \
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://workers;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    );
    let file = write(directory.path(), "nginx.conf", &text);
    let mut command = installed("nginx");
    command.arg("-c").arg(file).arg("-p").arg(directory.path());
    Contender::start("nginx", command, ProxyLaunch { address, directory, threads: 1, cpus }).await
}
