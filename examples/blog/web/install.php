<?php
// Makes the tables and the first user; in a blog that is there, brings the tables up to date.
// Runs once per release.
define('WP_INSTALLING', true);
// As /etc/wordpress is found by the name of the host.
$_SERVER['HTTP_HOST'] = parse_url(getenv('BLOG_URL'), PHP_URL_HOST);
require '/usr/share/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
if (is_blog_installed()) {
    wp_upgrade();
    echo "the blog is there\n";
} else {
    wp_install('A blog', 'admin', 'admin@example.com', true, '', getenv('BLOG_ADMIN'));
    echo "the blog is made; its user is admin\n";
}
