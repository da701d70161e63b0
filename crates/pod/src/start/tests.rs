//! What a container's process is given, from image and pod.

use super::*;

fn image() -> Image {
    let mut config = image::ImageConfig::empty();
    config.config.env = vec!["A=1".into(), "B=2".into()];
    config.config.entrypoint = Some(vec!["/entry".into()]);
    config.config.cmd = Some(vec!["serve".into()]);
    Image { digest: "sha256:0".into(), names: vec![], config, layers: vec![] }
}

#[test]
fn a_command_drops_the_images_command_too() {
    let image = image();
    let mut container = Container { name: "c".into(), ..Container::default() };
    assert_eq!(argv(&container, &image).unwrap(), ["/entry", "serve"]);
    container.args = Some(vec!["x".into()]);
    assert_eq!(argv(&container, &image).unwrap(), ["/entry", "x"]);
    container.command = Some(vec!["sh".into()]);
    assert_eq!(argv(&container, &image).unwrap(), ["sh", "x"]);
    container.args = None;
    assert_eq!(argv(&container, &image).unwrap(), ["sh"]);
}

#[test]
fn the_pods_variables_override_the_images_in_place() {
    let container = Container { env: vec![("B".into(), "3".into())], ..Container::default() };
    let env = environment(&image().config.config, &container, "/root");
    let text: Vec<String> = env.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(text, [&format!("PATH={PATH}"), "HOME=/root", "A=1", "B=3"]);
}
