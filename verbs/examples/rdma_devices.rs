//! Prints the RDMA devices of this node.

fn main() {
    match eos_verbs::rdma::devices() {
        Ok(devices) => println!("{devices:#?}"),
        Err(error) => println!("rdma: {error}"),
    }
}
